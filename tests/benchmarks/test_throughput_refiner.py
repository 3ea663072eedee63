import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.throughput import refiner
from benchmarks.throughput.gan_step import random_batch
from benchmarks.throughput.plain import PlainRefiner
from hwgen.generators.adversarial.feature_discriminator import FeatureDiscriminator
from hwgen.generators.adversarial.steps import schedule, train_step
from hwgen.generators.refiner.recipe import PRESETS, RefinerSpec

CPU = torch.device("cpu")
TOY = replace(PRESETS["refiner-32"], batch=4, hands=2, generator=RefinerSpec(widths=(4, 6, 8)))


@pytest.mark.parametrize("step", [0, 1])  # with the R1 penalty, and without
def test_the_fast_step_equals_the_plain_one(step: int) -> None:
    # D hardly moves, see test_throughput_gan_step.
    recipe = replace(TOY, optimizer=replace(TOY.optimizer, lr_d=1e-9))
    state = refiner.untrained(recipe, 3, CPU)
    assert isinstance(state.d, FeatureDiscriminator)
    plain = PlainRefiner(state.g, state.d, recipe, 3)
    networks = [(state.g, plain.g), (state.d, plain.d)]
    x, y = random_batch(recipe, 3, CPU)
    measured = train_step(
        state,
        recipe,
        x,
        y,
        schedule(recipe, step),
        generator=torch.Generator().manual_seed(1),
        precision=torch.float32,
    )
    losses = plain(x, y, step, torch.Generator().manual_seed(1))
    # loss_d without the penalty in both.
    found = torch.stack([measured["loss_d"], measured["loss_g"]])
    torch.testing.assert_close(found, torch.stack(losses), rtol=1e-4, atol=0)
    for ours, theirs in networks:
        whole = torch.cat([p.grad.flatten() for p in theirs.parameters()]).norm()
        for (name, mine), (_, other) in zip(
            sorted(ours.named_parameters()), sorted(theirs.named_parameters()), strict=True
        ):
            assert (mine.grad - other.grad).norm() <= 1e-4 * whole, name


def test_layers_that_hwgen_computes_in_other_ways_are_replaced() -> None:
    state = refiner.untrained(TOY, 3, CPU)
    assert isinstance(state.d, FeatureDiscriminator)
    plain = PlainRefiner(state.g, state.d, TOY, 3)
    parts = [plain.g, plain.d, *plain.d.maps.parts]
    kinds = {type(layer).__name__ for part in parts for layer in part.modules()}
    assert not kinds & {"UpConv2d", "SameConv2d", "Conv3x3"}
    x, z = torch.rand(2, 1, 32, 32), torch.rand(2, TOY.generator.z_dim)
    torch.testing.assert_close(plain.g.net(x, z), state.g.net(x, z), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("quick")
def test_rows_state_what_was_done(tmp_path: Path) -> None:
    step = refiner.measure_step(TOY, 3, device=CPU, steps=1, runs=1)
    assert step["limits"]["flops_a_step"] < step["limits"]["flops_a_plain_step"]
    samples = refiner.measure_samples(
        TOY, classes=3, per_class=2, plain_classes=1, device=CPU, scratch=tmp_path, runs=1
    )
    assert samples["ways"].keys() == {"plain", "hwgen", "simulation alone"}
    assert len(list((tmp_path / "png").rglob("*.png"))) == 2
    json.dumps([step, samples])
