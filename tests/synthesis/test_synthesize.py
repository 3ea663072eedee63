import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.compute.tensor_files import file_hash, load_tensors, save_tensors
from hwgen.errors import InputError, RecipeChangedError, StoreError
from hwgen.generators.gan.sampling import Sampler
from hwgen.io.json_files import read_json
from hwgen.progress import Control
from hwgen.record import Image
from hwgen.runs import Run
from hwgen.store import Store, is_store, partial_path
from hwgen.store.origin import is_generated
from hwgen.synthesis.acceptance import FILE, ClassAcceptance, read_acceptance
from hwgen.synthesis.plan import CHUNK, plan
from hwgen.synthesis.synthesize import synthesize


def apart(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def test_the_origin_names_the_training_data_of_the_generator(run: Run, tmp_path: Path) -> None:
    store = synthesize(Sampler.load(run, device="cpu"), tmp_path / "drawn", per_class=1)
    assert store is not None
    assert store.manifest.origin["data"] == run.data["content_sha256"]


def test_a_store_that_did_not_record_that_all_is_generated_is_still_finished(
    run: Run, sampler: Sampler, tmp_path: Path
) -> None:
    new = synthesize(sampler, tmp_path / "s", per_class=1)
    assert new is not None
    assert is_generated(new.manifest.origin)
    manifest = tmp_path / "s" / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    del content["origin"]["generated"]
    manifest.write_text(json.dumps(content), "utf-8")
    old = synthesize(sampler, tmp_path / "s", per_class=1)
    assert old is not None
    assert not is_generated(old.manifest.origin)


def test_a_synthetic_store_has_the_origin_of_each_sample(
    run: Run, sampler: Sampler, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    store = synthesize(
        sampler,
        tmp_path / "s",
        per_class=4,
        class_ids=[2, 0],
        seed=7,
        control=Control(lambda done, total, _: seen.append((done, total))),
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
    assert (
        apart(store.all_images(), sampler.sample([2] * 4 + [0] * 4, [0, 1, 2, 3] * 2, seed=7)) <= 1
    )


def test_all_classes_are_the_default_and_longer_sets_begin_equally(
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


def test_a_stopped_synthesis_resumes(sampler: Sampler, tmp_path: Path) -> None:
    answers = iter([False, True])
    out = tmp_path / "stopped"
    assert (
        synthesize(sampler, out, per_class=1000, control=Control(stop=lambda: next(answers)))
        is None
    )
    assert not is_store(out)
    assert partial_path(out).exists()
    firsts: list[int] = []
    store = synthesize(
        sampler, out, per_class=1000, control=Control(lambda done, *_: firsts.append(done))
    )
    assert store is not None
    assert firsts == [2000, 3000]  # 1024 were written before
    straight = synthesize(sampler, tmp_path / "straight", per_class=1000)
    assert straight is not None
    assert store.manifest.content_sha256 == straight.manifest.content_sha256


def test_a_synthesis_resumes_after_its_snapshot_was_written_again(
    run: Run, sampler: Sampler, tmp_path: Path
) -> None:
    out, snapshot = tmp_path / "stopped", run.weights(200)
    assert synthesize(sampler, out, per_class=1000, control=Control(stop=lambda: True)) is None
    tensors, texts = load_tensors(snapshot)
    save_tensors(snapshot, tensors, dict(reversed(texts.items())))
    assert synthesize(Sampler.load(run, device="cpu"), out, per_class=1000) is not None


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from PIL import Image as PilImage
from hwgen.generators.gan.sampling import Sampler
from hwgen.progress import Control
from hwgen.synthesis.synthesize import synthesize
torch.set_num_threads(1)
def die(done, total, note):
    if done >= 2048:
        os.kill(os.getpid(), signal.SIGKILL)
sampler = Sampler.load(sys.argv[1], device="cpu")
synthesize(sampler, Path(sys.argv[2]), per_class=1000, control=Control(die))
"""


def test_a_killed_synthesis_gives_the_uninterrupted_set(
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
        sampler, out, per_class=1000, control=Control(lambda count, *_: done.append(count))
    )
    straight = synthesize(sampler, tmp_path / "straight", per_class=1000)
    assert store is not None
    assert straight is not None
    assert done == [3000]  # 2048 were written before
    assert store.manifest.content_sha256 == straight.manifest.content_sha256
    assert store.manifest.class_counts == [1000] * 3
    # As after a kill when everything but the lock was in place.
    out.with_name(".killed.hwgen-lock").touch()
    assert synthesize(sampler, out, per_class=1000) is not None
    assert not out.with_name(".killed.hwgen-lock").exists()


def test_another_recipe_does_not_resume_a_partial_store(sampler: Sampler, tmp_path: Path) -> None:
    out = tmp_path / "s"
    assert synthesize(sampler, out, per_class=1000, control=Control(stop=lambda: True)) is None
    with pytest.raises(RecipeChangedError, match="seed: 0 -> 1"):
        synthesize(sampler, out, per_class=1000, seed=1)
    store = synthesize(sampler, out, per_class=1000, seed=1, overwrite=True)
    straight = synthesize(sampler, tmp_path / "straight", per_class=1000, seed=1)
    assert store is not None
    assert straight is not None
    assert store.manifest.content_sha256 == straight.manifest.content_sha256


def test_an_existing_store_is_returned_refused_or_replaced(
    sampler: Sampler, tmp_path: Path
) -> None:
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


def test_an_unconditional_run_has_one_class(unconditional: Run, tmp_path: Path) -> None:
    sampler = Sampler.load(unconditional, device="cpu")
    store = synthesize(sampler, tmp_path / "s", per_class=5)
    assert store is not None
    assert list(store.charset) == ["*"]
    assert [store.record(n).label for n in range(5)] == ["*"] * 5
    assert [store.record(n).position for n in range(5)] == list(range(5))
    assert len(np.unique(store.all_images(), axis=0)) == 5


@dataclass
class Darker:
    """Accepts samples darker than a limit, and records its calls."""

    limit: float
    calls: list[int] = field(default_factory=list)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"limit": self.limit}

    def __call__(self, images: Image, class_ids: np.ndarray) -> np.ndarray:
        self.calls.append(len(images))
        return images.mean(axis=(1, 2)) < self.limit


@pytest.fixture(scope="module")
def brightness(run: Run) -> np.ndarray:
    """Brightness of the first 600 samples of each class, float [3, 600]."""
    images = Sampler.load(run, device="cpu").sample(
        np.repeat([0, 1, 2], 600), np.tile(np.arange(600), 3)
    )
    return images.mean(axis=(1, 2)).reshape(3, 600)


def a_third(brightness: np.ndarray) -> Darker:
    """Accepts a third of the samples; none is exactly at the limit."""
    levels = np.unique(brightness)
    near = np.searchsorted(levels, np.quantile(brightness, 1 / 3))
    gaps = np.diff(levels[near : near + 50])
    widest = near + int(gaps.argmax())
    return Darker(float(levels[widest : widest + 2].mean()))


def test_a_set_has_the_first_samples_that_pass(
    sampler: Sampler, tmp_path: Path, brightness: np.ndarray
) -> None:
    sample_filter = a_third(brightness)
    store = synthesize(
        sampler, tmp_path / "s", per_class=20, sample_filter=sample_filter, max_tries=30
    )
    assert store is not None
    assert store.manifest.class_counts == [20, 20, 20]
    positions = store.columns["position"].reshape(3, 20)
    for class_id in range(3):
        first = np.flatnonzero(brightness[class_id] < sample_filter.limit)[:20]
        assert positions[class_id].tolist() == first.tolist()
    again = sampler.sample(store.labels, store.columns["position"])
    assert apart(store.all_images(), again) <= 1
    assert len(sample_filter.calls) < 8  # few rounds, of many samples each

    found, plain = read_acceptance(store), read_json(store.path / FILE)
    assert store.manifest.origin["filter"] == {"limit": sample_filter.limit, "max_tries": 30}
    assert plain["filter"] == store.manifest.origin["filter"]
    assert plain["yield"] == store.manifest.origin["yield"]
    assert found.drawn == sum(sample_filter.calls)
    assert plain["yield"] == pytest.approx(found.rate, abs=1e-5)
    assert found.rate == found.passed / found.drawn
    assert (plain["kept"], found.per_class, found.short) == (60, 20, ())
    for class_id, label in enumerate("一丨十"):
        one = found.classes[label]
        passing = brightness[class_id, : one.drawn] < sample_filter.limit
        assert one == ClassAcceptance(one.drawn, int(passing.sum()), 20)


def test_a_class_that_cannot_be_filled_stays_short(
    sampler: Sampler, tmp_path: Path, brightness: np.ndarray
) -> None:
    sample_filter = Darker(float(np.sort(brightness[0])[2]))  # too few of each class
    store = synthesize(
        sampler, tmp_path / "s", per_class=50, sample_filter=sample_filter, max_tries=3
    )
    assert store is not None
    found = read_acceptance(store)
    assert {one.drawn for one in found.classes.values()} == {150}
    passing = (brightness[:, :150] < sample_filter.limit).sum(axis=1)
    assert store.manifest.class_counts == passing.tolist()
    assert sorted(found.short) == sorted("一丨十")
    assert found.short[0] == "一丨十"[int(passing.argmin())]

    none = synthesize(
        sampler, tmp_path / "none", per_class=5, sample_filter=Darker(-1), max_tries=2
    )
    assert none is not None
    assert none.manifest.class_counts == [0, 0, 0]
    assert none.manifest.origin["yield"] == 0
    with pytest.raises(InputError, match="0 tries"):
        synthesize(
            sampler, tmp_path / "no-tries", per_class=5, sample_filter=sample_filter, max_tries=0
        )


def test_a_filtered_set_stopped_anywhere_gives_the_uninterrupted_one(
    sampler: Sampler, tmp_path: Path, brightness: np.ndarray
) -> None:
    sample_filter = a_third(brightness)
    options: dict[str, Any] = {"per_class": 1500, "sample_filter": sample_filter, "max_tries": 2}
    straight = synthesize(sampler, tmp_path / "straight", **options)
    assert straight is not None
    assert len(plan(1500, 3, 2)) == 6
    assert (
        0 < min(straight.manifest.class_counts) < 1500
    )  # short, so that record numbers are not known in advance
    settled: list[int] = []
    for units in range(1, 7):
        answers = iter([False] * (units - 1) + [True])
        broken = synthesize(
            sampler,
            tmp_path / "broken",
            **options,
            control=Control(
                lambda done, *_: settled.append(done),
                lambda answers=answers: next(answers),
            ),
        )
        assert broken is None or units > 3
        if broken is not None:
            break
    assert broken is not None
    assert broken.manifest.content_sha256 == straight.manifest.content_sha256
    assert read_acceptance(broken) == read_acceptance(straight)
    assert settled[-1] == 4500
    assert len(settled) > 6  # units were repeated
    sample_filter.calls.clear()
    again = synthesize(sampler, tmp_path / "broken", **options)
    assert again is not None
    assert sample_filter.calls == []


def test_another_filter_does_not_resume_a_set(
    sampler: Sampler, tmp_path: Path, brightness: np.ndarray
) -> None:
    out = tmp_path / "s"
    sample_filter = a_third(brightness)
    assert (
        synthesize(
            sampler,
            out,
            per_class=2000,
            sample_filter=sample_filter,
            control=Control(stop=lambda: True),
        )
        is None
    )
    with pytest.raises(RecipeChangedError, match=r"filter\.limit"):
        synthesize(sampler, out, per_class=2000, sample_filter=Darker(3.0))
    with pytest.raises(RecipeChangedError, match=r"filter\.limit: .* -> absent"):
        synthesize(sampler, out, per_class=2000)


def test_units_hold_whole_classes_or_parts_of_one() -> None:
    few = plan(300, 7, 10)
    assert [unit.classes.tolist() for unit in few] == [[0, 1, 2], [3, 4, 5], [6]]
    assert all((unit.wanted == 300).all() and not unit.first_indices.any() for unit in few)
    many = plan(2500, 2, 3)
    assert [unit.classes.tolist() for unit in many] == [[0], [0], [0], [1], [1], [1]]
    assert [unit.first_indices.tolist() for unit in many[:3]] == [[0], [3 * CHUNK], [6 * CHUNK]]
    assert [unit.wanted.tolist() for unit in many[:3]] == [[CHUNK], [CHUNK], [2500 - 2 * CHUNK]]
    assert plan(5, 0, 1) == []


def test_a_store_without_acceptance_is_refused(sampler: Sampler, tmp_path: Path) -> None:
    store = synthesize(sampler, tmp_path / "s", per_class=2)
    assert store is not None
    assert "filter" not in store.manifest.origin
    with pytest.raises(StoreError, match=r"yield\.json: no such file; expected a report of acc"):
        read_acceptance(store)


def test_a_set_that_no_disk_holds_is_refused_before_it_is_planned(
    sampler: Sampler, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"more than the maximum of 1,073,741,824.*several sets"):
        synthesize(sampler, tmp_path / "s", per_class=10**12)
    assert not (tmp_path / "s").exists()
