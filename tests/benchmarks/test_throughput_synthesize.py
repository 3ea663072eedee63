from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.throughput import synthesize
from hwgen.data import to_images, to_uint8
from hwgen.generators.gan.presets import Recipe, preset
from hwgen.store import Store


@pytest.mark.parametrize("name", ["glyph-32", "paper-hwdb"])
def test_both_implementations_give_the_same_images(name: str) -> None:
    recipe = preset(name)
    sampler = synthesize._sampler(recipe, 5, "cpu")
    plain = synthesize._plain(recipe, 5, "cpu")
    ids = np.array([3, 0, 3])
    z = torch.randn(3, recipe.generator.z_dim)
    with torch.no_grad():
        generated = plain.generate(z, F.one_hot(torch.from_numpy(ids), 5).float())
    theirs = to_images(to_uint8(generated, recipe.pixels)).astype(int)
    ours = sampler.from_noise(z.numpy(), ids).astype(int)
    assert np.abs(ours - theirs).max() <= 1  # a grey level, where rounding differs


@pytest.mark.usefixtures("quick")
def test_a_row_states_what_was_done(toy_recipe: Recipe, tmp_path: Path) -> None:
    row = synthesize.measure(
        toy_recipe,
        classes=6,
        per_class=3,
        plain_classes=2,
        device=torch.device("cpu"),
        scratch=tmp_path,
        runs=1,
    )
    assert (row["ways"]["hwgen"]["work"], row["ways"]["plain"]["work"]) == (18, 6)
    assert Store(tmp_path / "store").manifest.class_counts == [3] * 6
    assert len(list((tmp_path / "png").rglob("*.png"))) == 6
