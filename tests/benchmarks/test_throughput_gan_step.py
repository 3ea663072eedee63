import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.throughput import gan_step
from benchmarks.throughput.plain import PlainGan
from hwgen.generators.adversarial.steps import make_state, schedule, train_step
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import Recipe, change, preset

SMALL_PAPER = change(
    preset("paper-hwdb"),
    {
        "generator.start": "[6, 7]",
        "generator.stages": '[{"channels": 5, "kernel": 5, "stride": 2},'
        ' {"channels": 1, "kernel": 5, "stride": 2}]',
        "discriminator.hidden": "10",
        "discriminator.stages": '[{"channels": 7, "kernel": 5, "stride": 2},'
        ' {"channels": 8, "kernel": 5, "stride": 2}]',
        "batch": "8",
    },
)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("recipe", [SMALL_PAPER, preset("glyph-32")], ids=lambda r: r.preset)
def test_the_fast_step_equals_the_plain_one(recipe: Recipe, reduction: str) -> None:
    # Adam's first step has the size of its rate whatever the gradient, rounding errors included;
    # so D hardly moves here, and G's gradients can be compared too.
    recipe = replace(
        recipe,
        batch=8,
        loss=replace(recipe.loss, reduction=reduction),
        optimizer=replace(recipe.optimizer, lr_d=1e-9),
    )
    device = torch.device("cpu")
    state = make_state(build, recipe, 5, 0, device)
    plain = PlainGan(state.g, state.d, recipe, 5)
    x, y = gan_step.random_batch(recipe, 5, device)
    networks = [(state.g, plain.g), (state.d, plain.d)]

    measured = train_step(
        state,
        recipe,
        x,
        y,
        schedule(recipe, 0),
        generator=torch.Generator().manual_seed(1),
        precision=torch.float32,
    )
    losses = plain(x, y, 0, torch.Generator().manual_seed(1))

    per_image = 1 / len(x) if reduction == "sum" else 1
    found = torch.stack([measured["loss_d"], measured["loss_g"]])
    torch.testing.assert_close(found, torch.stack(losses) * per_image, rtol=1e-4, atol=0)
    for ours, theirs in networks:
        whole = torch.cat([p.grad.flatten() for p in theirs.parameters()]).norm()
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert (mine.grad - other.grad).norm() <= 1e-4 * whole
    # Not compared for G: the plain one generates twice, and moves its running statistics twice.
    for name, statistic in plain.d.named_buffers():
        torch.testing.assert_close(state.d.get_buffer(name), statistic, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("quick")
def test_a_row_states_what_was_done(tmp_path: Path) -> None:
    row = gan_step.measure(SMALL_PAPER, 5, device=torch.device("cpu"), steps=1, runs=2)
    assert row["ways"].keys() == {"plain", "hwgen"}
    assert row["ratio"] > 0
    limits = row["limits"]
    assert limits["flops_a_step"] < limits["flops_a_plain_step"]
    json.dumps(row)
