import itertools
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PilImage

from hwgen.batches import to_uint8
from hwgen.charset import Charset
from hwgen.checkpoints import file_hash
from hwgen.errors import (
    CharsetError,
    InputError,
    RecipeChangedError,
    RunError,
    StoreError,
)
from hwgen.gan.sampling import (
    GeneratedDataset,
    Sampler,
    best_scores,
    choose_classes,
    find_snapshot,
    noise,
    synthesize,
)
from hwgen.gan.training import train
from hwgen.presets import Recipe
from hwgen.runs import Run
from hwgen.store import Store, is_store, partial_path


@pytest.fixture(scope="module")
def run(toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    recipe = replace(toy_recipe, images=200)
    out = tmp_path_factory.mktemp("sampling") / "run"
    return train(toy_store, out, recipe, device="cpu", precision="fp32")


@pytest.fixture
def sampler(run: Run) -> Sampler:
    return Sampler.load(run, device="cpu")


@pytest.fixture(scope="module")
def unconditional(
    toy_store: Store, toy_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    recipe = replace(toy_recipe, images=8, every=8, conditional=False)
    out = tmp_path_factory.mktemp("unconditional") / "run"
    return train(toy_store, out, recipe, device="cpu", precision="fp32")


IDS = np.array([0, 2, 1, 2, 2, 0, 1])
NUMBERS = np.array([0, 5, 1, 0, 5, 3, 1])


def apart(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_the_batch_size_does_not_change_a_sample(sampler: Sampler, batch: int) -> None:
    assert apart(sampler.draw(IDS, NUMBERS), sampler.draw(IDS, NUMBERS, batch=batch)) <= 1


def test_a_sample_is_decided_by_seed_class_and_index_alone(sampler: Sampler) -> None:
    images = sampler.draw(IDS, NUMBERS)
    assert images.shape == (7, 8, 8)
    assert images.dtype == np.uint8
    assert apart(images[1], images[4]) <= 1
    alone = sampler.draw([2], [5])
    assert apart(alone[0], images[1]) <= 1
    distinct = [images[i] for i in (0, 1, 2, 3, 5)]
    assert all(apart(a, b) > 1 for a, b in itertools.combinations(distinct, 2))
    assert apart(sampler.draw(IDS, NUMBERS, seed=1), images) > 1
    assert sampler.draw([], []).shape == (0, 8, 8)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_longer_draw_of_noise_begins_with_the_shorter(toy_recipe: Recipe, kind: str) -> None:
    spec = replace(toy_recipe.generator, z=kind)
    long = noise(spec, 3, 1, 500)
    assert long.shape == (500, 6)
    assert long.dtype == np.float32
    np.testing.assert_array_equal(noise(spec, 3, 1, 7), long[:7])
    for other in (noise(spec, 4, 1, 500), noise(spec, 3, 2, 500)):
        assert abs(np.corrcoef(other.ravel(), long.ravel())[0, 1]) < 0.1
    sd = 1 if kind == "normal" else 3**-0.5
    assert long.std() == pytest.approx(sd, rel=0.05)
    assert (np.abs(long).max() <= 1) == (kind == "uniform")


def test_pictures_are_the_generators_in_evaluation_mode(sampler: Sampler) -> None:
    sampler.generator.train()
    images = sampler.draw([1, 1], [0, 1])
    assert sampler.generator.training  # left as it was found
    z = torch.from_numpy(noise(sampler.recipe.generator, 0, 1, 2))
    with torch.no_grad():
        x = sampler.generator.eval()(z, torch.tensor([1, 1]))
    np.testing.assert_array_equal(images, to_uint8(x, sampler.recipe.pixels)[:, 0].numpy())


def test_text_is_drawn_character_by_character(sampler: Sampler) -> None:
    images = sampler.draw_text("十一十")
    assert apart(images, sampler.draw([2, 0, 2], [0, 0, 1])) <= 1
    with pytest.raises(CharsetError, match=r"2 of 3 characters.*天地"):
        sampler.draw_text("天一地")


def test_snapshots_are_found_by_name(run: Run, tmp_path: Path) -> None:
    assert find_snapshot(run, "last") == run.weights(200)
    assert find_snapshot(run, "100") == run.weights(100)
    for unknown in ("300", "first", "①", "-1"):
        with pytest.raises(RunError, match=f"no checkpoint '{unknown}'.*one of 100, 200"):
            find_snapshot(run, unknown)
    with pytest.raises(RunError, match=r"no snapshot was scored.*--recogniser"):
        find_snapshot(run, "best")
    first, last = (Sampler.load(run, name, "cpu") for name in ("100", "last"))
    assert first.provenance != last.provenance
    assert apart(first.draw(IDS, NUMBERS), last.draw(IDS, NUMBERS)) > 1


def test_the_best_score_is_the_product_with_variety_up_to_the_real_one(
    run: Run, tmp_path: Path
) -> None:
    log = run.path / "log.jsonl"
    before = log.read_text("utf-8")
    run.log({"images": 100, "purity": 0.5, "diversity": 3.0})
    run.log({"images": 200, "purity": 0.6, "diversity": 0.8})
    run.log({"images": 300, "purity": 1.0, "diversity": 1.0})  # has no snapshot
    try:
        assert best_scores(run) == {100: 0.5, 200: pytest.approx(0.48)}
        assert find_snapshot(run, "best") == run.weights(100)
    finally:
        log.write_text(before, "utf-8")


def test_runs_without_snapshots_and_damaged_ones_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes((run.path / "run.json").read_bytes())
    with pytest.raises(RunError, match="has no snapshot yet"):
        Sampler.load(tmp_path, device="cpu")
    (tmp_path / "weights").mkdir()
    Run(tmp_path).weights(5).write_bytes(b"")
    with pytest.raises(RunError, match="is not a checkpoint"):
        Sampler.load(tmp_path, device="cpu")
    with pytest.raises(RunError, match="no run here"):
        Sampler.load(tmp_path / "none", device="cpu")


def test_classes_are_chosen_by_number_characters_or_file(tmp_path: Path) -> None:
    charset = Charset(tuple("一丨十天"))
    assert choose_classes("3", charset) == [0, 1, 2]
    assert choose_classes("十一", charset) == [2, 0]
    (tmp_path / "some.txt").write_text("天 丨\n", encoding="utf-8")
    assert choose_classes(str(tmp_path / "some.txt"), charset) == [3, 1]
    for number in ("0", "5"):
        with pytest.raises(InputError, match=f"{number} classes.*the run has 4"):
            choose_classes(number, charset)
    for unknown in ("地一", "①一"):
        with pytest.raises(CharsetError, match=f"1 of 2 characters.*{unknown[0]}"):
            choose_classes(unknown, charset)
    with pytest.raises(CharsetError, match="no such charset file"):
        choose_classes(str(tmp_path / "none.txt"), charset)


def test_a_synthetic_store_says_where_each_sample_was_born(
    run: Run, sampler: Sampler, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    store = synthesize(
        sampler,
        tmp_path / "s",
        per_class=4,
        class_ids=[2, 0],
        seed=7,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert store is not None
    assert seen == [(8, 8)]
    assert store.charset == run.charset
    assert store.labels.tolist() == [2] * 4 + [0] * 4
    assert store.manifest.class_counts == [4, 0, 4]
    origin = store.manifest.origin
    assert (origin["kind"], origin["seed"], origin["per_class"]) == ("synthetic", 7, 4)
    for n in range(8):
        record = store.record(n)
        assert record.position == n % 4
        assert record.label == "十一"[n // 4]
        assert record.source == (f"run {run.id} checkpoint {file_hash(run.weights(200))} seed 7")
    assert apart(store.all_images(), sampler.draw([2] * 4 + [0] * 4, [0, 1, 2, 3] * 2, seed=7)) <= 1


def test_all_classes_are_the_default_and_longer_sets_begin_alike(
    sampler: Sampler, tmp_path: Path
) -> None:
    short = synthesize(sampler, tmp_path / "short", per_class=2)
    long = synthesize(sampler, tmp_path / "long", per_class=5, batch=4)
    assert short is not None
    assert long is not None
    assert short.manifest.class_counts == [2, 2, 2]
    shared = long.all_images().reshape(3, 5, 8, 8)[:, :2]
    assert apart(short.all_images().reshape(3, 2, 8, 8), shared) <= 1
    with pytest.raises(InputError, match="at least 1"):
        synthesize(sampler, tmp_path / "none", per_class=0)
    assert not (tmp_path / "none").exists()


def test_a_stopped_synthesis_goes_on(sampler: Sampler, tmp_path: Path) -> None:
    answers = iter([False, True])
    out = tmp_path / "stopped"
    assert synthesize(sampler, out, per_class=1000, stop=lambda: next(answers)) is None
    assert not is_store(out)
    assert partial_path(out).exists()
    firsts: list[int] = []
    store = synthesize(
        sampler, out, per_class=1000, progress=lambda done, total: firsts.append(done)
    )
    assert store is not None
    assert firsts == [3000]  # 2048 were there
    straight = synthesize(sampler, tmp_path / "straight", per_class=1000)
    assert straight is not None
    assert store.manifest.content_sha256 == straight.manifest.content_sha256


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from PIL import Image as PilImage
from hwgen.gan.sampling import Sampler, synthesize
torch.set_num_threads(1)
def die(done, total):
    if done >= 2048:
        os.kill(os.getpid(), signal.SIGKILL)
synthesize(Sampler.load(sys.argv[1], device="cpu"), Path(sys.argv[2]), per_class=1000, progress=die)
"""


def test_a_killed_synthesis_ends_as_an_uninterrupted_one(
    run: Run, sampler: Sampler, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    left = subprocess.run(
        [sys.executable, "-c", KILLED, run.path, out],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert left.returncode == -signal.SIGKILL
    assert not is_store(out)
    with pytest.raises(StoreError, match="unfinished"):
        Store(out)
    done: list[int] = []
    store = synthesize(
        sampler, out, per_class=1000, progress=lambda count, total: done.append(count)
    )
    straight = synthesize(sampler, tmp_path / "straight", per_class=1000)
    assert store is not None
    assert straight is not None
    assert done == [3000]
    assert store.manifest.content_sha256 == straight.manifest.content_sha256
    assert store.manifest.class_counts == [1000] * 3


def test_another_recipe_does_not_continue_a_partial_store(sampler: Sampler, tmp_path: Path) -> None:
    out = tmp_path / "s"
    assert synthesize(sampler, out, per_class=1000, stop=lambda: True) is None
    with pytest.raises(RecipeChangedError, match="seed: 0 -> 1"):
        synthesize(sampler, out, per_class=1000, seed=1)
    store = synthesize(sampler, out, per_class=1000, seed=1, overwrite=True)
    straight = synthesize(sampler, tmp_path / "straight", per_class=1000, seed=1)
    assert store is not None
    assert straight is not None
    assert store.manifest.content_sha256 == straight.manifest.content_sha256


def test_what_is_there_is_returned_refused_or_replaced(sampler: Sampler, tmp_path: Path) -> None:
    out = tmp_path / "s"
    first = synthesize(sampler, out, per_class=2)
    assert first is not None
    written = (out / "data.mdb").stat().st_mtime_ns
    again = synthesize(sampler, out, per_class=2)
    assert again is not None
    assert again.manifest == first.manifest
    assert (out / "data.mdb").stat().st_mtime_ns == written
    with pytest.raises(StoreError, match="a store is already there"):
        synthesize(sampler, out, per_class=3)
    assert Store(out).manifest == first.manifest
    replaced = synthesize(sampler, out, per_class=3, overwrite=True)
    assert replaced is not None
    assert len(replaced) == len(Store(out)) == 9


def test_the_grid_of_an_unconditional_run_repeats_nothing(unconditional: Run) -> None:
    grid = np.asarray(PilImage.open(sorted(unconditional.grids.glob("0*.png"))[-1]))
    rows = grid[2:].reshape(-1, 10, grid.shape[1])[:, :8]
    assert len(np.unique(rows.reshape(len(rows), -1), axis=0)) == len(rows) == 10


def test_an_unconditional_run_has_one_class(unconditional: Run, tmp_path: Path) -> None:
    sampler = Sampler.load(unconditional, device="cpu")
    store = synthesize(sampler, tmp_path / "s", per_class=5)
    assert store is not None
    assert list(store.charset) == ["*"]
    assert [store.record(n).label for n in range(5)] == ["*"] * 5
    assert [store.record(n).position for n in range(5)] == list(range(5))
    assert len(np.unique(store.all_images(), axis=0)) == 5
    assert choose_classes("1", sampler.charset) == [0]


def test_an_endless_dataset_is_labelled_varied_and_repeatable(sampler: Sampler) -> None:
    def take(count: int, **options: int) -> list[tuple[torch.Tensor, int]]:
        return list(itertools.islice(GeneratedDataset(sampler, batch=8, **options), count))

    items = take(50)
    assert all(x.shape == (1, 8, 8) and 0 <= x.min() <= x.max() <= 1 for x, _ in items)
    assert {y for _, y in items} == {0, 1, 2}
    assert len({x.numpy().tobytes() for x, _ in items}) == 50
    assert all(torch.equal(a[0], b[0]) for a, b in zip(items, take(50), strict=True))
    assert not torch.equal(items[0][0], take(1, seed=1)[0][0])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_each_worker_has_a_stream_of_its_own(sampler: Sampler) -> None:
    loader = torch.utils.data.DataLoader(
        GeneratedDataset(sampler, batch=8),
        batch_size=8,
        num_workers=2,
        multiprocessing_context="fork",
    )
    batches = iter(loader)
    (first, labels), (second, _) = next(batches), next(batches)
    assert first.shape == (8, 1, 8, 8)
    assert labels.dtype == torch.int64
    assert not torch.equal(first, second)
    del batches
