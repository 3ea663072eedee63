import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.compute.tensor_files import load_tensors, save_tensors
from hwgen.errors import CharsetError, InputError, RunError
from hwgen.exports.models import export_model
from hwgen.generators.base import get_kind, load_generator, requested_classes
from hwgen.generators.dataset import GeneratedDataset
from hwgen.generators.refiner.stroke_file import FILE
from hwgen.generators.samplers import WriterSampler
from hwgen.runs import Run
from hwgen.runs.models import read_model
from hwgen.runs.snapshots import find_model
from hwgen.store import Store
from hwgen.store.origin import is_generated
from hwgen.synthesis.synthesize import synthesize
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes, sampler_of, write_graphics

IDS = np.repeat(np.arange(3), 10)
INDICES = np.tile(np.arange(10), 3)


def test_a_sample_depends_on_seed_label_and_index_alone(toy_run: Run) -> None:
    images = sampler_of(toy_run).sample(IDS, INDICES, seed=4)
    assert (images.shape, images.dtype) == ((30, 16, 16), np.uint8)
    order = np.random.default_rng(0).permutation(30)
    sampler = sampler_of(toy_run, "口十刁丨一")
    ids = np.array([sampler.charset.ids(["一丨十"[one]])[0] for one in IDS.tolist()])
    for batch in (1, 7, 512):
        found = sampler.sample(ids[order], INDICES[order], seed=4, batch=batch)
        # Another batch may round a grey level otherwise.
        np.testing.assert_allclose(found.astype(int), images[order].astype(int), atol=1)
    alone = sampler_of(toy_run, "十").sample([0], [6], seed=4)[0]
    np.testing.assert_allclose(alone.astype(int), images[26].astype(int), atol=1)
    assert (sampler_of(toy_run).sample(IDS, INDICES, seed=5) != images).any(axis=(1, 2)).all()
    assert len(np.unique(images.reshape(30, -1), axis=0)) == 30


def test_no_samples_are_asked_for(toy_run: Run) -> None:
    assert sampler_of(toy_run).sample([], []).shape == (0, 16, 16)


def test_one_hand_has_one_writer(toy_run: Run) -> None:
    many, one = sampler_of(toy_run), sampler_of(toy_run, hand=12)
    assert isinstance(one, WriterSampler)
    assert set(one.writers(IDS, INDICES, seed=3)) == {"hand-0012-seed-3"}
    assert len(set(many.writers(IDS, INDICES, seed=3))) > 20
    assert many.start.hands(IDS, INDICES, 3)[5] == int(many.writers(IDS, INDICES, seed=3)[5][5:9])
    images = one.sample(IDS, INDICES, seed=3)
    assert len(np.unique(images.reshape(30, -1), axis=0)) == 30
    assert (images != many.sample(IDS, INDICES, seed=3)).any()


def test_text_is_written_in_a_hand(toy_run: Run) -> None:
    sampler = sampler_of(toy_run)
    images = sampler.sample("十一十", hand=12, seed=3)
    one = sampler_of(toy_run, hand=12).sample([2, 0, 2], [0, 0, 1], seed=3)
    np.testing.assert_array_equal(images, one)
    assert (images[0] != images[2]).any()
    assert sampler.start.hand is None  # for this call only
    with pytest.raises(InputError, match="hand should be"):
        sampler.sample("十", hand=-2)
    with pytest.raises(InputError, match="a refiner has nothing between two hands"):
        sampler.interpolate("十", (1, 2))


def test_text_may_have_any_character_with_strokes(toy_run: Run) -> None:
    sampler = sampler_of(toy_run)
    images = sampler.sample("口十口", seed=3)
    np.testing.assert_array_equal(images[:1], sampler_of(toy_run, "口").sample([0], [0], seed=3))
    assert apart(images[1], sampler.sample([2], [0], seed=3)[0]) <= 1
    assert sampler.classes == ["一", "丨", "十"]
    with pytest.raises(CharsetError, match=r"no strokes for 1 of 1 characters: 犇.*: hanzi"):
        sampler.sample("十犇")


def test_classes_and_strokes_may_be_text_and_a_path(toy_run: Run, tmp_path: Path) -> None:
    write_graphics(tmp_path / "graphics.txt", "一口")
    sampler = load_generator(
        toy_run.path, device="cpu", charset="口一", strokes=str(tmp_path / "graphics.txt")
    )
    assert sampler.classes == ["口", "一"]
    assert sampler.sample("口一").shape == (2, 16, 16)
    with pytest.raises(CharsetError, match="no strokes for 1 of 1 characters: 十"):
        sampler.sample("十")
    assert repr(sampler).startswith("RefinerSampler(")


def test_the_strokes_of_hwgen_have_characters_that_those_of_a_run_lack(toy_run: Run) -> None:
    with pytest.raises(CharsetError, match="你"):
        sampler_of(toy_run, "你")
    sampler = load_generator(toy_run.path, device="cpu", charset="你", strokes="hanzi")
    assert sampler.sample("你我").shape == (2, 16, 16)


def apart(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def test_the_classes_are_those_with_strokes_or_those_asked_for(toy_run: Run) -> None:
    assert sampler_of(toy_run).charset.labels == ("一", "丨", "十")
    some = ToyStrokes({label: TOY_STROKES[label] for label in "十口"})
    assert sampler_of(toy_run, strokes=some).charset.labels == ("十",)
    assert sampler_of(toy_run, "口二").sample([0, 1], [0, 0]).shape == (2, 16, 16)
    with pytest.raises(CharsetError, match="a toy has no strokes for 1 of 2 characters: 龘"):
        sampler_of(toy_run, "口龘")
    with pytest.raises(CharsetError, match="a toy has no strokes for 1 of 1 characters: 丨"):
        sampler_of(toy_run, "丨", strokes=some)


def test_the_same_strokes_from_elsewhere_give_the_same_samples(toy_run: Run) -> None:
    stored, given = sampler_of(toy_run), sampler_of(toy_run, strokes=ToyStrokes(TOY_STROKES))
    np.testing.assert_array_equal(given.sample(IDS, INDICES), stored.sample(IDS, INDICES))
    assert given.origin == stored.origin


def test_an_exported_model_gives_the_same_samples(toy_run: Run, tmp_path: Path) -> None:
    export_model(toy_run, tmp_path / "model")
    model = sampler_of(read_model(tmp_path / "model"))
    np.testing.assert_array_equal(
        model.sample(IDS, INDICES), sampler_of(toy_run).sample(IDS, INDICES)
    )
    assert model.provenance == sampler_of(toy_run).provenance
    unseen = sampler_of(read_model(tmp_path / "model"), "刁").sample([0], [2])
    np.testing.assert_array_equal(unseen, sampler_of(toy_run, "刁").sample([0], [2]))
    # Its files are known as those of an export.
    export_model(toy_run, tmp_path / "model", licence="cc-by-4.0", overwrite=True)
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert "strokes of 6 characters from a toy" in card
    assert "Drawn for a test, under a licence" in card
    assert "only the classes above" not in card


@pytest.mark.parametrize("damage", ["missing", "short", "foreign"])
def test_runs_without_sound_strokes_need_others(toy_run: Run, tmp_path: Path, damage: str) -> None:
    shutil.copytree(toy_run.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    file = run.path / FILE
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "short":
        file.write_bytes(content[: len(content) // 2])
    else:
        save_tensors(file, {"x": torch.zeros(1)}, {})
    with pytest.raises(RunError, match=FILE):
        sampler_of(run)
    given = sampler_of(run, strokes=ToyStrokes(TOY_STROKES))
    np.testing.assert_array_equal(given.sample([0], [0]), sampler_of(toy_run).sample([0], [0]))


def test_weights_of_another_recipe_are_refused(toy_run: Run, tmp_path: Path) -> None:
    shutil.copytree(toy_run.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    file = run.snapshots()[-1]
    tensors, texts = load_tensors(file)
    save_tensors(file, {**tensors, "g.net.flow.weight": torch.zeros(2, 400, 3, 3)}, texts)
    with pytest.raises(RunError, match="does not fit its recipe"):
        sampler_of(run)


def test_a_synthetic_store_has_hands_and_licence(toy_run: Run, tmp_path: Path) -> None:
    sampler = sampler_of(toy_run, "十口")
    store = synthesize(sampler, tmp_path / "s", per_class=6, seed=2, batch=5)
    assert store is not None
    assert store.is_synthetic
    assert is_generated(store.manifest.origin)
    assert store.manifest.origin["notice"] == "Drawn for a test, under a licence"
    ids, indices = np.repeat([0, 1], 6), np.tile(np.arange(6), 2)
    records = [store.record(number) for number in range(12)]
    assert [record.writer for record in records] == sampler.writers(ids, indices, seed=2)
    assert [record.label for record in records] == list("十" * 6 + "口" * 6)
    expected = sampler.sample(ids, indices, seed=2)
    np.testing.assert_allclose(store.all_images().astype(int), expected.astype(int), atol=1)


@pytest.mark.parametrize(
    ("labels", "hand", "strokes"),
    [("口十", None, None), ("二口", None, None), ("十口", 3, None), ("十口", None, "others")],
)
def test_other_classes_hands_or_strokes_are_another_set(
    toy_run: Run, tmp_path: Path, labels: str, hand: int | None, strokes: str | None
) -> None:
    first = synthesize(sampler_of(toy_run, "十口"), tmp_path / "s", per_class=2)
    again = synthesize(sampler_of(toy_run, "十口"), tmp_path / "s", per_class=2)
    assert first is not None
    assert again is not None
    others = {**TOY_STROKES, "口": TOY_STROKES["刁"]}
    given = None if strokes is None else ToyStrokes(others)
    other = sampler_of(toy_run, labels, hand=hand, strokes=given)
    assert other.origin != sampler_of(toy_run, "十口").origin
    store = synthesize(other, tmp_path / "s", per_class=2, overwrite=True)
    assert store is not None
    assert store.manifest.content_sha256 != first.manifest.content_sha256


def test_classes_and_options_as_a_user_asks(toy_run: Run, tmp_path: Path, toy_store: Store) -> None:
    assert requested_classes(toy_run.path, None) is None
    assert requested_classes(toy_run.path, "2") == Charset(("一", "丨"))
    assert requested_classes(toy_run.path, "口刁") == Charset(("口", "刁"))
    given = {"charset": Charset(("口",)), "hand": 4}
    sampler = load_generator(toy_run, device="cpu", **given)
    assert sampler.charset.labels == ("口",)
    with pytest.raises(InputError, match="--pen: a refiner does not take this"):
        load_generator(toy_run, device="cpu", pen=3)
    with pytest.raises(InputError, match="Leave out --real"):
        load_generator(toy_run, device="cpu", source=toy_store)


def test_all_characters_with_strokes_can_be_made(toy_run: Run) -> None:
    kind, model = get_kind("refiner"), find_model(toy_run, "last")
    assert kind.characters(model) == TOY_STROKES.keys()
    assert kind.characters(model, strokes=ToyStrokes({"口": TOY_STROKES["口"]})) == {"口"}
    assert get_kind("gan").characters(model) == {"一", "丨", "十"}


def test_a_refiner_is_an_endless_dataset(toy_run: Run) -> None:
    x, y = next(iter(GeneratedDataset(sampler_of(toy_run), batch=4)))
    assert x.shape == (1, 16, 16)
    assert 0 <= y < len(sampler_of(toy_run).charset)
