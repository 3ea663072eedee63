import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError, RunError
from hwgen.evaluation.evaluate import Settings
from hwgen.recogniser.inference import Recogniser
from hwgen.record import Image
from hwgen.results.evaluation import Evaluation
from hwgen.store import Store
from tests.evaluation.conftest import Evaluate, MakeStore
from tests.evaluation.figures import COMPARED, images_of, references, values


def test_real_samples_score_like_the_reference(evaluated: Evaluate, make_store: MakeStore) -> None:
    result = evaluated(make_store(7))
    found, reference = values(result), references(result)
    for name in ("purity", "diversity_pixels", "diversity_features", *COMPARED):
        assert found[name] == pytest.approx(reference[name], abs=0.2), name
    assert found["purity"] > 0.9
    assert found["nearest_neighbour"] == pytest.approx(0.5, abs=0.15)
    assert found["nearer_pixels"] == pytest.approx(reference["nearer_pixels"], abs=0.25)
    assert found["exact_copies"] == 0
    assert result["compared"] == {"classes": 3, "samples": 72, "repeated": 0}
    assert "The evaluated set is marked as real." in result["notes"]
    assert not any("simulated" in note for note in result["notes"])


def test_simulated_reference_data_are_noted(evaluated: Evaluate, make_store: MakeStore) -> None:
    simulated = {"simulated": True}
    result = evaluated(make_store(7, origin=simulated), real=make_store(3, origin=simulated))
    assert "The evaluated set is marked as simulated." in result["notes"]
    said = "--real holds simulated characters: the figures say nothing about real handwriting."
    assert said in result["notes"]


def test_a_collapsed_set_has_purity_but_no_variety_or_coverage(
    evaluated: Evaluate, make_store: MakeStore
) -> None:
    one = {label: images[:1] * 24 for label, images in images_of(make_store(8)).items()}
    result = evaluated(make_store(9, kind="synthetic", images=one))
    found, reference = values(result), references(result)
    assert found["purity"] == 1.0
    assert found["diversity_pixels"] == found["diversity_features"] == 0
    assert found["recall"] == 0
    assert found["coverage"] < reference["coverage"] - 0.2
    assert found["frechet"] > 1.5 * reference["frechet"]
    assert found["nearest_neighbour"] > 0.65


def test_a_copied_set_is_detected(evaluated: Evaluate, make_store: MakeStore, real: Store) -> None:
    rng = np.random.default_rng(0)
    copied = {
        label: [*images[:10], *(_dim(image, rng) for image in images[10:20])]
        for label, images in images_of(real).items()
    }
    result = evaluated(make_store(10, kind="synthetic", images=copied))
    found, reference = values(result), references(result)
    assert found["exact_copies"] == 30
    assert found["copies_pixels"] == 1.0
    assert reference["copies_pixels"] < 0.1
    assert found["nearer_pixels"] == 1.0
    assert reference["nearer_pixels"] == pytest.approx(0.5, abs=0.2)
    assert found["nearest_neighbour"] < 0.3
    pairs = result["copies"]["pixels"]["pairs"]
    assert [pair["distance"] for pair in pairs] == [0.0] * 24
    for pair in pairs:
        assert pair["sample"] % 20 == pair["training"] % 24
        assert pair["sample"] // 20 == pair["training"] // 24 == pair["class_id"]


def _dim(image: Image, rng: np.random.Generator) -> Image:
    """The same image with slightly different grey values."""
    return (image - rng.integers(0, 3, image.shape)).clip(0, 255).astype(np.uint8)


def test_wrong_labels_lower_purity(evaluated: Evaluate, make_store: MakeStore) -> None:
    right = images_of(make_store(11))
    result = evaluated(
        make_store(12, kind="synthetic", images={"一": right["丨"], "十": right["十"]})
    )
    purity = result["figures"]["purity"]
    assert purity["value"] == pytest.approx(0.5, abs=0.05)
    assert purity["low"] < purity["value"] < purity["high"]
    assert result["per_class"]["purity"]["一"] < 0.1
    assert result["worst"][0]["label"] == "一"
    assert result["worst"][0]["read_as"]["丨"] > 20
    assert set(result["per_class"]["diversity_pixels"]) == {"一", "十"}
    assert result["compared"]["classes"] == 2


def test_halves_of_real_are_the_reference_without_a_test_store(
    evaluated: Evaluate, make_store: MakeStore
) -> None:
    result = evaluated(make_store(13, kind="synthetic"), real_test=None)
    assert result["compared"]["samples"] == 36
    assert result["real_test"] is None
    assert "nearer_pixels" not in result["figures"]
    assert references(result)["copies_pixels"] == 0.01
    assert any("one half of --real" in note for note in result["notes"])
    found, reference = values(result), references(result)
    for name in COMPARED:
        assert found[name] == pytest.approx(reference[name], abs=0.35), name


def test_repeated_real_samples_do_not_make_copies(
    evaluated: Evaluate, make_store: MakeStore, real: Store
) -> None:
    twice = {label: images * 2 for label, images in images_of(real).items()}
    result = evaluated(make_store(14, kind="synthetic"), real=make_store(15, images=twice))
    assert result["compared"]["repeated"] == 72
    assert result["copies"]["pixels"]["limit"] > 0
    assert "Left out: 72 real samples that repeat another one exactly." in result["notes"]


def test_samples_are_limited_and_matched_by_class(
    evaluated: Evaluate, make_store: MakeStore, settings: Settings
) -> None:
    few = images_of(make_store(16))
    few["一"] = few["一"][:4]
    store = make_store(17, kind="synthetic", images=few)
    assert evaluated(store)["compared"]["samples"] == 4 + 24 + 24
    limited = evaluated(store, settings=replace(settings, samples=30))
    assert limited["compared"]["samples"] == 4 + 10 + 10
    again = evaluated(store, settings=replace(settings, samples=30))
    assert again["figures"] == limited["figures"]
    other = evaluated(store, settings=replace(settings, samples=30, seed=1))
    assert other["figures"]["frechet"] != limited["figures"]["frechet"]


def test_the_file_and_the_images(
    evaluated: Evaluate, make_store: MakeStore, out: Path, real_test: Store
) -> None:
    synthetic = make_store(18, kind="synthetic")
    result = evaluated(synthetic)
    assert json.loads((out / Evaluation.NAME).read_text("utf-8")) == result
    assert Evaluation.load(out).to_json() == result
    assert result["format"] == "hwgen-evaluation"
    assert result["synthetic"]["content_sha256"] == synthetic.manifest.content_sha256
    assert result["real_test"]["count"] == len(real_test)
    assert result["settings"]["trained_here"] == []
    names = ["best-read.png", "worst-read.png", "nearest-pixels.png", "nearest-features.png"]
    assert result["pictures"] == names
    for name in names:
        with PilImage.open(out / name) as picture:
            assert picture.size[0] == 12 * 18 + 2
    with PilImage.open(out / "nearest-pixels.png") as picture:
        sheet = np.asarray(picture)
    first = result["copies"]["pixels"]["pairs"][0]
    np.testing.assert_array_equal(sheet[2:18, 2:18], synthetic.images([first["sample"]])[0])


@pytest.mark.parametrize(
    ("samples", "with_test", "refused"),
    [(5, True, True), (6, True, False), (6, False, True), (12, False, False)],
)
def test_too_few_samples_are_refused_before_the_work(
    evaluated: Evaluate,
    make_store: MakeStore,
    monkeypatch: pytest.MonkeyPatch,
    out: Path,
    samples: int,
    with_test: bool,
    refused: bool,
) -> None:
    def work(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hwgen.evaluation.evaluate._train", work)
    few = {
        label: images[: samples if label == "丨" else 0]
        for label, images in images_of(make_store(50)).items()
    }
    changes = {"real": make_store(51, images=few), "recogniser": None}
    if not with_test:
        changes["real_test"] = None
    if refused:
        with pytest.raises(InputError, match=r"at most [35] samples .* too few for 5 nearest"):
            evaluated(make_store(52, kind="synthetic"), **changes)
        assert not out.exists()
    else:
        with pytest.raises(KeyboardInterrupt):
            evaluated(make_store(52, kind="synthetic"), **changes)


def test_unsuitable_stores_are_refused(
    evaluated: Evaluate, make_store: MakeStore, real: Store, recogniser: Recogniser, tmp_path: Path
) -> None:
    synthetic = make_store(34, kind="synthetic")
    with pytest.raises(InputError, match="holds synthetic samples"):
        evaluated(synthetic, real=synthetic)
    with pytest.raises(InputError, match="holds synthetic samples"):
        evaluated(synthetic, real_test=synthetic)
    with pytest.raises(InputError, match="exactly the samples of --real"):
        evaluated(synthetic, real_test=real)
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is not a directory"):
        evaluated(synthetic, out=tmp_path / "file")
    other = Recogniser(recogniser.network, recogniser.recipe, Charset(("丨", "一", "永")))
    with pytest.raises(CharsetError, match=r"has 3 classes, but not these 1 of 1: 十"):
        evaluated(make_store(35, labels="十", kind="synthetic"), recogniser=other)
    large = Recogniser(recogniser.network, replace(recogniser.recipe, size=64), recogniser.charset)
    with pytest.raises(InputError, match="at least 32 pixels"):
        evaluated(synthetic, recogniser=large)
    with pytest.raises(InputError, match="the store is empty"):
        evaluated(make_store(35, kind="synthetic", per_class=0))


def test_copies_are_warned_of_first(
    evaluated: Evaluate, make_store: MakeStore, real: Store
) -> None:
    itself = "Warning: 72 of the 72 samples of the evaluated set are samples of --real itself"
    exact = "Warning: 72 of the 72 samples that were tested are exact copies of a sample of --real."
    notes = evaluated(real)["notes"]
    assert notes[0].startswith(itself)
    assert notes[1] == exact
    notes = evaluated(make_store(5, kind="synthetic", images=images_of(real)))["notes"]
    assert notes[0] == exact
    assert not any(
        "Warning" in note for note in evaluated(make_store(7, kind="synthetic"))["notes"]
    )
