from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hwgen.charset import Charset
from hwgen.compute.tensor_files import file_hash
from hwgen.errors import InputError, RecipeChangedError, RunError
from hwgen.evaluation.evaluate import Settings, evaluate
from hwgen.io.locks import exclusive
from hwgen.progress import Control
from hwgen.recogniser.inference import Recogniser
from hwgen.record import Image
from hwgen.runs import Run, begin_or_continue
from hwgen.store import Store
from tests.evaluation.conftest import CPU, Evaluate, MakeStore
from tests.evaluation.figures import images_of


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
