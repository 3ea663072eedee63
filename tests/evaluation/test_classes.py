from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.evaluation.evaluate import Settings
from hwgen.recogniser.inference import Recogniser
from hwgen.record import Image
from tests.evaluation.conftest import Evaluate, MakeStore
from tests.evaluation.figures import COMPARED, images_of


def test_one_real_sample_per_class_gives_purity_but_no_copy_test(
    evaluated: Evaluate, make_store: MakeStore
) -> None:
    single = {label: images[:1] for label, images in images_of(make_store(29)).items()}
    result = evaluated(
        make_store(30, kind="synthetic"),
        real=make_store(31, images={**single, "丨": images_of(make_store(32))["丨"][:12]}),
    )
    assert result["copies"]["pixels"]["samples"] == 24
    assert set(result["per_class"]["diversity_pixels"]) == {"丨"}
    result = evaluated(make_store(30, kind="synthetic"), real=make_store(33, images=single))
    assert result["figures"]["purity"]["value"] > 0.9
    assert not {"frechet", "nearest_neighbour", "copies_pixels", *COMPARED} & set(result["figures"])
    said = "Not compared as sets: 3 samples of common classes are too few for 5 nearest neighbours."
    assert said in result["notes"]


def test_classes_without_real_samples_are_read_and_named(
    evaluated: Evaluate, make_store: MakeStore, recogniser: Recogniser
) -> None:
    unseen = make_store(36, labels="十丨", charset="十丨", kind="synthetic")
    with_all, seen = evaluated(unseen), images_of(unseen)["丨"]
    few = {"real": make_store(37, labels="一丨"), "real_test": make_store(38, labels="一丨")}
    result = evaluated(unseen, **few)
    assert result["figures"]["purity"]["value"] == with_all["figures"]["purity"]["value"]
    assert result["per_class"]["purity"] == with_all["per_class"]["purity"]
    assert result["left_out"] == {"unread": {}, "without_real": {"十": 24}}
    assert "left_out" not in with_all
    assert result["compared"] == {"classes": 1, "samples": 24, "repeated": 0}
    assert set(result["per_class"]["diversity_pixels"]) == {"丨"}
    assert "Not compared: 1 class with 24 samples (十), without real samples." in " ".join(
        result["notes"]
    )
    # All else is as for the common classes alone.
    alone = evaluated(make_store(39, images={"丨": seen}, kind="synthetic"), **few)
    names = set(result["figures"]) - {"purity"}
    assert names == set(alone["figures"]) - {"purity"}
    assert {n: result["figures"][n]["value"] for n in ("exact_copies", "copies_pixels")} == {
        n: alone["figures"][n]["value"] for n in ("exact_copies", "copies_pixels")
    }


def test_a_set_of_unseen_classes_alone_is_read(evaluated: Evaluate, make_store: MakeStore) -> None:
    unseen = make_store(36, labels="十", charset="十", kind="synthetic")
    seen = {"real": make_store(37, labels="一丨"), "real_test": None}
    result = evaluated(unseen, **seen)
    assert set(result["figures"]) == {"purity"}
    assert result["figures"]["purity"]["value"] > 0.9
    assert result["figures"]["purity"]["floor"] is None
    assert result["compared"] == {"classes": 0, "samples": 0, "repeated": 0}
    assert result["pictures"] == ["best-read.png", "worst-read.png"]

    def ocr(images: Image) -> list[str]:
        return ["十"] * len(images)

    ocr.name = "toy"  # type: ignore[attr-defined]
    found = evaluated(unseen, ocr_engine=ocr, **seen)["figures"]["second_reader"]
    assert (found["value"], found["floor"]) == (1.0, None)
    with pytest.raises(InputError, match=r"none of its classes .* Give --recogniser, which"):
        evaluated(unseen, recogniser=None, **seen)


def test_classes_that_the_recogniser_lacks_are_compared_and_named(
    evaluated: Evaluate, make_store: MakeStore, recogniser: Recogniser
) -> None:
    other = Recogniser(recogniser.network, recogniser.recipe, Charset(("一", "丨", "永")))
    synthetic = make_store(34, kind="synthetic")
    expected, result = evaluated(synthetic), evaluated(synthetic, recogniser=other)
    assert result["left_out"] == {"unread": {"十": 24}, "without_real": {}}
    assert set(result["per_class"]["purity"]) == {"一", "丨"}
    assert all(one["label"] != "十" for one in result["worst"])
    differ = {
        name for name in result["figures"] if result["figures"][name] != expected["figures"][name]
    }
    assert differ <= {"purity"}
    assert result["figures"]["purity"]["value"] > 0.9
    assert any("Not read: 1 class with 24 samples (十)" in note for note in result["notes"])


def test_a_recogniser_trained_here_reads_what_it_has_learnt(
    evaluated: Evaluate, make_store: MakeStore
) -> None:
    real = {"real": make_store(37, labels="一丨"), "real_test": make_store(38, labels="一丨")}
    result = evaluated(make_store(34, kind="synthetic"), recogniser=None, **real)
    assert set(result["per_class"]["purity"]) == {"一", "丨"}
    assert result["left_out"] == {"unread": {"十": 24}, "without_real": {"十": 24}}


def test_recognisers_that_are_compared_have_the_same_classes(
    evaluated: Evaluate, make_store: MakeStore, settings: Settings
) -> None:
    other = make_store(36, labels="十丨", charset="十丨", kind="synthetic")
    with pytest.raises(CharsetError, match="its 2 classes are not the 3"):
        evaluated(other, settings=replace(settings, train_on_synthetic=True))


def test_a_set_that_shares_no_class_is_refused_by_name(
    evaluated: Evaluate, make_store: MakeStore
) -> None:
    other, real = make_store(53, labels="十", kind="synthetic"), make_store(54, labels="一丨")
    with pytest.raises(InputError, match="none of its classes has real samples in"):
        evaluated(other, real=real, real_test=None, recogniser=None)


def test_a_recogniser_may_have_more_classes_in_another_order(
    evaluated: Evaluate, make_store: MakeStore, recogniser: Recogniser, out: Path
) -> None:
    network = deepcopy(recogniser.network)
    last = network[-1]
    wider = torch.nn.Linear(last.in_features, 4)
    order = [2, 0, 1]  # 十一丨, and a class that is never read
    with torch.no_grad():
        wider.weight[:3], wider.bias[:3] = last.weight[order], last.bias[order]
        wider.weight[3], wider.bias[3] = 0, -100
    network[-1] = wider
    other = Recogniser(network, recogniser.recipe, Charset(tuple("十一丨永")))
    synthetic = make_store(34, kind="synthetic")
    expected, found = evaluated(synthetic), evaluated(synthetic, recogniser=other)
    assert found["figures"] == expected["figures"]
    assert found["per_class"] == expected["per_class"]
    assert found["worst"] == expected["worst"]
