import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

from hwgen.charset import Charset
from hwgen.compute.tensor_files import file_hash
from hwgen.errors import CharsetError, InputError, RecipeChangedError, RunError
from hwgen.evaluation.evaluate import Settings, evaluate
from hwgen.io.locks import exclusive
from hwgen.progress import Control
from hwgen.recogniser.inference import Recogniser
from hwgen.record import Image
from hwgen.results.evaluation import Evaluation
from hwgen.runs import Run, begin_or_continue
from hwgen.store import Store

CPU = torch.device("cpu")
MakeStore = Callable[..., Store]
Evaluate = Callable[..., dict[str, Any]]
COMPARED = ("precision", "recall", "density", "coverage")


@pytest.fixture
def evaluated(
    real: Store, real_test: Store, recogniser: Recogniser, settings: Settings, out: Path
) -> Evaluate:
    def call(synthetic: Store, **changes: Any) -> dict[str, Any]:
        options = {"out": out, "settings": settings, "device": CPU, "recogniser": recogniser}
        given = {**options, "real_test": real_test, **changes}
        result = evaluate(synthetic, given.pop("real", real), **given)
        assert result is not None
        return result.to_json()

    return call


def values(result: dict[str, Any]) -> dict[str, float]:
    return {name: figure["value"] for name, figure in result["figures"].items()}


def references(result: dict[str, Any]) -> dict[str, float]:
    return {name: figure["floor"] for name, figure in result["figures"].items()}


def images_of(store: Store) -> dict[str, list[Image]]:
    labels, images = store.labels, store.all_images()
    return {label: list(images[labels == i]) for i, label in enumerate(store.charset)}


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


@pytest.fixture
def gan_run(tmp_path: Path, real: Store) -> Run:
    return begin_or_continue(
        tmp_path / "run",
        kind="gan",
        recipe={},
        seed=0,
        charset=real.charset,
        data={"content_sha256": real.manifest.content_sha256, "count": len(real)},
    )


def drawn_from(make_store: MakeStore, run: Run, seed: int = 20) -> Store:
    return make_store(
        seed, kind="synthetic", origin={"provenance": f"run {run.id} checkpoint 1234"}
    )


def trained_on(recogniser: Recogniser, *stores: Store) -> Recogniser:
    data = {str(i): store.manifest.content_sha256 for i, store in enumerate(stores)}
    provenance = {"decides": {"data": data}}
    return Recogniser(
        recogniser.network, recogniser.recipe, recogniser.charset, provenance=provenance
    )


@pytest.mark.parametrize(
    ("saw", "known", "note"),
    [
        ("real", True, "on the generator's training data: both"),
        ("real_test", False, "on other data than the generator"),
        (None, None, "is not known."),
    ],
)
def test_notes_tell_whether_the_recogniser_was_trained_on_the_generators_data(
    evaluated: Evaluate,
    make_store: MakeStore,
    recogniser: Recogniser,
    gan_run: Run,
    real: Store,
    real_test: Store,
    saw: str | None,
    known: bool | None,
    note: str,
) -> None:
    stores = {"real": [real], "real_test": [real_test], None: []}[saw]
    result = evaluated(
        drawn_from(make_store, gan_run), recogniser=trained_on(recogniser, *stores), run=gan_run
    )
    assert result["judge"]["learnt_with_generator"] is known
    assert any(note in line for line in result["notes"])
    flatters = any("the reference is too good" in line for line in result["notes"])
    assert flatters == (saw == "real_test")
    halves = evaluated(
        drawn_from(make_store, gan_run),
        recogniser=trained_on(recogniser, *stores),
        run=gan_run,
        real_test=None,
    )
    assert any("better than for new real characters" in n for n in halves["notes"]) == (
        saw == "real"
    )


def test_a_set_that_names_its_training_data_needs_no_run(
    evaluated: Evaluate, make_store: MakeStore, recogniser: Recogniser, real: Store
) -> None:
    origin = {"provenance": "run abc checkpoint 1234", "data": real.manifest.content_sha256}
    drawn = make_store(20, kind="synthetic", origin=origin)
    result = evaluated(drawn, recogniser=trained_on(recogniser, real))
    assert result["judge"]["generator_data"] == real.manifest.content_sha256
    assert result["judge"]["learnt_with_generator"] is True


def test_without_the_run_the_training_data_are_not_known(
    evaluated: Evaluate, make_store: MakeStore, recogniser: Recogniser, gan_run: Run, real: Store
) -> None:
    result = evaluated(drawn_from(make_store, gan_run), recogniser=trained_on(recogniser, real))
    assert result["judge"]["generator_data"] is None
    assert result["judge"]["learnt_with_generator"] is None
    assert result["judge"]["learnt_from_real"] is True
    assert any("--run tells" in note for note in result["notes"])


@pytest.mark.parametrize("same", [True, False])
def test_a_set_that_the_recogniser_filtered_is_named(
    evaluated: Evaluate, make_store: MakeStore, recogniser: Recogniser, tmp_path: Path, same: bool
) -> None:
    file = tmp_path / "judge.safetensors"
    recogniser.save(file)
    by = file_hash(file) if same else "another"
    synthetic = make_store(36, kind="synthetic", origin={"filter": {"recogniser": by}})
    result = evaluated(synthetic, recogniser=Recogniser.load(file, CPU))
    assert result["judge"]["sha256"] == file_hash(file)
    said = [note for note in result["notes"] if "was filtered by" in note]
    assert len(said) == 1
    assert ("this same recogniser" in said[0]) == same


def test_another_store_than_the_training_data_is_noted(
    evaluated: Evaluate, make_store: MakeStore, gan_run: Run
) -> None:
    result = evaluated(drawn_from(make_store, gan_run), run=gan_run, real=make_store(21))
    assert any("on another store than --real" in note for note in result["notes"])


def test_another_run_is_refused(evaluated: Evaluate, make_store: MakeStore, gan_run: Run) -> None:
    with pytest.raises(InputError, match=f"not from run {gan_run.id}"):
        evaluated(make_store(22, kind="synthetic"), run=gan_run)


def test_a_recogniser_is_trained_once(
    evaluated: Evaluate, make_store: MakeStore, settings: Settings, out: Path
) -> None:
    synthetic, told = make_store(23, kind="synthetic"), []

    def progress(done: float, total: float, note: str) -> None:
        told.append((done, total, note))

    first = evaluated(synthetic, recogniser=None, control=Control(progress))
    assert first["settings"]["trained_here"] == ["real"]
    assert first["judge"]["learnt_from_real"] is True
    assert any("20.0 epochs on --real" in note for note in first["notes"])
    total = 60 * 24 + 3 * 72
    assert {of for _, of, _ in told} == {total}
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][0] == total
    assert told[0][2].startswith("training on the real store")

    told.clear()
    kept = out / "recogniser-real-seed0.safetensors"
    written = kept.stat().st_mtime_ns
    assert evaluated(synthetic, recogniser=None, control=Control(progress)) == first
    assert kept.stat().st_mtime_ns == written
    assert {note for *_, note in told} == {"reading"}

    changed = replace(settings, recipe=replace(settings.recipe, steps=9))
    with pytest.raises(RecipeChangedError, match=r"recipe\.steps: 60 -> 9"):
        evaluated(synthetic, recogniser=None, settings=changed)


def test_training_on_the_synthetic_set(
    evaluated: Evaluate, make_store: MakeStore, settings: Settings, out: Path
) -> None:
    wrong = images_of(make_store(24))
    wrong["一"], wrong["丨"] = wrong["丨"], wrong["一"]
    cas = replace(settings, train_on_synthetic=True)
    result = evaluated(make_store(25, kind="synthetic", images=wrong), settings=cas)
    figure = result["figures"]["train_on_synthetic"]
    assert figure["floor"] > 0.9
    assert figure["value"] == pytest.approx(1 / 3, abs=0.1)
    assert result["settings"]["trained_here"] == ["real", "synthetic"]
    assert len(list(out.glob("recogniser-*"))) == 2
    with pytest.raises(InputError, match="Give them as --real-test"):
        evaluated(make_store(25, kind="synthetic"), settings=cas, real_test=None)


class Oracle:
    """An OCR engine that reads by the darkest row and column, and misreads 十."""

    name = "oracle"

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, images: Image) -> list[str]:
        self.seen.append(images.shape)
        ink = 255.0 - images
        rows, columns = ink.mean(axis=2).max(axis=1), ink.mean(axis=1).max(axis=1)
        return ["一" if row > column else "丨" for row, column in zip(rows, columns, strict=True)]


def test_an_ocr_engine_reads_as_many_of_both(evaluated: Evaluate, make_store: MakeStore) -> None:
    oracle = Oracle()
    twice = images_of(make_store(26))
    twice.pop("十")
    result = evaluated(make_store(27, kind="synthetic", images=twice), ocr_engine=oracle)
    figure = result["figures"]["second_reader"]
    assert (figure["value"], figure["floor"]) == (1.0, 1.0)
    assert oracle.seen == [(48, 16, 16)] * 2
    assert result["settings"]["second_reader"] == "oracle"
    all_three = evaluated(make_store(26, kind="synthetic"), ocr_engine=oracle, real_test=None)
    assert all_three["figures"]["second_reader"]["value"] == pytest.approx(2 / 3)


def test_stopping_keeps_trained_recognisers(
    real: Store,
    real_test: Store,
    make_store: MakeStore,
    settings: Settings,
    recogniser: Recogniser,
    out: Path,
) -> None:
    def call(recogniser: Recogniser | None, stop: Callable[[], bool]) -> object:
        return evaluate(
            make_store(28, kind="synthetic"),
            real,
            out=out,
            settings=settings,
            device=CPU,
            recogniser=recogniser,
            control=Control(stop=stop),
        )

    asked = iter([False] * 3)
    assert call(None, lambda: next(asked, True)) is None
    assert not list(out.glob("*.safetensors"))
    asked = iter([False] * (60 - 3 + 2))  # the first 3 of 60 steps are done
    assert call(None, lambda: next(asked, True)) is None
    assert [path.name for path in out.iterdir()] == ["recogniser-real-seed0.safetensors"]
    assert call(recogniser, lambda: True) is None


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


def test_a_set_that_shares_no_class_is_refused_by_name(
    evaluated: Evaluate, make_store: MakeStore
) -> None:
    other, real = make_store(53, labels="十", kind="synthetic"), make_store(54, labels="一丨")
    with pytest.raises(InputError, match="none of its classes has real samples in"):
        evaluated(other, real=real, real_test=None, recogniser=None)


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


def test_a_recogniser_that_hardly_reads_real_samples_is_warned_of(
    evaluated: Evaluate, make_store: MakeStore, recogniser: Recogniser
) -> None:
    other = Recogniser(recogniser.network, recogniser.recipe, Charset(tuple("丨十一")))
    notes = evaluated(make_store(34, kind="synthetic"), recogniser=other)["notes"]
    assert notes[0].startswith("Warning: 0% of 72 samples of ")
    assert notes[0].endswith("trained longer, and on such samples: hwgen benchmark")


def test_a_recogniser_that_another_process_trains_is_refused(
    evaluated: Evaluate, make_store: MakeStore, out: Path
) -> None:
    with (
        exclusive(out / "recogniser-real-seed0.safetensors", "training it"),
        pytest.raises(RunError, match="another process is training this recogniser"),
    ):
        evaluated(make_store(23, kind="synthetic"), recogniser=None)


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
