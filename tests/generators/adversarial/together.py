"""What two processes of torchrun train together. In: FOLDER with a store and recipes. Out: runs."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hwgen.compute.distributed import join
from hwgen.compute.tensor_files import load_tensors
from hwgen.errors import InputError, RecipeChangedError, RunError
from hwgen.generators.adversarial.training import AGREE_STEPS
from hwgen.generators.gan.presets import Recipe, change, recipe_from_json
from hwgen.generators.gan.training import train
from hwgen.progress import Control
from hwgen.runs import Run
from hwgen.store import Store


def train_together(folder: Path) -> None:
    """As one of two processes: train both kinds, go on with one's run, begin one, and fail."""
    torch.set_num_threads(1)
    store = Store(folder / "store")
    with join("cpu") as ranks:

        def together(recipe: Recipe, out: Path, **options: Any) -> Run:
            return train(store, out, recipe, device="cpu", precision="fp32", ranks=ranks, **options)

        seen: list[float] = []
        control = Control(lambda done, total, note: seen.append(done))
        recipes = {
            path.name.split(".")[0]: recipe_from_json(json.loads(path.read_text("utf-8")))
            for path in sorted(folder.glob("*.recipe.json"))
        }
        for kind, recipe in recipes.items():
            together(recipe, folder / f"{kind}-two", control=control)
        assert seen == ([0, 160, 0, 160] if ranks.first else [])
        together(recipes["glyph"], folder / "begun-by-one")
        with pytest.raises(InputError, match=r"batch of 5 cannot .* among 2 proc.*Start 1 of"):
            together(change(recipes["glyph"], {"batch": "5"}), folder / "uneven")
        assert not (folder / "uneven").exists()
        with pytest.raises(RecipeChangedError, match="seed: 0 -> 1"):
            together(recipes["glyph"], folder / "glyph-two", seed=1)
        begun = together(
            recipes["glyph"], folder / "begun-by-two", control=Control(stop=lambda: ranks.rank == 1)
        )
        assert load_tensors(begun.checkpoint)[1]["step"] == str(AGREE_STEPS)
        # As on two machines that do not see the same files.
        elsewhere = folder / "elsewhere"
        out = begun.path if ranks.first else elsewhere
        with pytest.raises(RunError, match="elsewhere: no run here"):
            together(recipes["glyph"], out)
        if ranks.first:
            elsewhere.mkdir()
            shutil.copy(begun.path / "run.json", elsewhere)
        with pytest.raises(RunError, match=r"different steps: 10, 0\. Give an --out that"):
            together(recipes["glyph"], out)


if __name__ == "__main__":
    train_together(Path(sys.argv[1]))
