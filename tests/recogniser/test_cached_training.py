from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hwgen.errors import RecipeChangedError
from hwgen.recogniser.cached_training import CachedTraining
from hwgen.recogniser.mixing import MixedBatches
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.store import Store
from tests.trainings import assert_same_files, stop_after

MakeStore = Callable[..., Store]


@pytest.fixture
def job(make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path) -> CachedTraining:
    return CachedTraining(
        arm="real",
        stores={"train": make_store("train")},
        recipe=replace(toy, steps=8),
        seed=2,
        folder=tmp_path / "whole",
        device=torch.device("cpu"),
        precision="fp32",
    )


def test_a_stopped_training_is_resumed_and_its_checkpoint_removed(
    job: CachedTraining, tmp_path: Path
) -> None:
    whole = job.run()
    other = replace(job, folder=tmp_path / "out")
    assert other.run(stop=stop_after(4)) is None
    assert not other.path.exists()
    assert [file.name for file in other.folder.iterdir()] == [
        ".recogniser-real-seed2.safetensors.hwgen-checkpoint"
    ]
    other.check()
    resumed = other.run()
    assert whole is not None
    assert resumed is not None
    assert_same_files(other.path, job.path)
    assert list(other.folder.iterdir()) == [other.path]
    assert resumed.provenance["decides"] == whole.provenance["decides"]
    assert resumed.provenance["seconds"] > other.checkpoint.seconds_before == 0.0


def test_a_checkpoint_of_other_settings_is_refused_before_any_work(job: CachedTraining) -> None:
    assert job.run(stop=stop_after(4)) is None
    longer = replace(job, recipe=replace(job.recipe, steps=9))
    with pytest.raises(RecipeChangedError, match=r"recipe\.steps: 8 -> 9"):
        longer.check()
    with pytest.raises(RecipeChangedError, match=r"recipe\.steps: 8 -> 9"):
        longer.run()
    replace(longer, seed=3).check()  # has a file of its own


def test_a_checkpoint_beside_a_finished_recogniser_is_removed(job: CachedTraining) -> None:
    job.run()
    job.checkpoint.path.write_bytes(b"of a process that was killed before it removed this")
    job.check()
    assert job.run() is not None
    assert list(job.folder.iterdir()) == [job.path]


def test_each_batch_has_equally_many_samples_of_each_store(
    job: CachedTraining, make_store: MakeStore
) -> None:
    # Pooled, few real samples would be lost among many synthetic ones.
    real, many = make_store("few"), make_store("many", per_class=40, seed=3)
    both = replace(job, stores={"train": real, "synthetic": many})
    data = both.load()
    assert data.parts is not None
    assert [len(part) for part in data.parts] == [len(real), len(many)]
    batches = MixedBatches(data, None, both.recipe, 0)
    pixels = {x.tobytes() for x in real.all_images()}
    found = batches.batch(0)[0][0]
    size = both.recipe.batch
    assert len(found) == size
    assert both.config["batches"] == "equal parts"
    own = [to_uint8_bytes(x) in pixels for x in found]
    assert sum(own) == size // 2
    assert "batches" not in job.config  # one store


def to_uint8_bytes(x: torch.Tensor) -> bytes:
    """A float image in the recipe's range, 0 is paper, as the store has it."""
    return bytes((255 - (x * 255).round()).to(torch.uint8).numpy().tobytes())
