import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from hwgen.generators.adversarial.losses import discriminator_loss, generator_loss
from hwgen.generators.adversarial.steps import (
    State,
    ema_weight,
    gradient_penalty,
    label_weight,
    make_state,
    schedule,
    train_step,
    update_average,
)
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import Recipe, change

CPU = torch.device("cpu")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(count: int = 4) -> tuple[Tensor, Tensor]:
    """Pictures that are all ink in the left half, and their labels."""
    x = torch.full((count, 1, 8, 8), -1.0)
    x[..., :4] = 1.0
    return x, torch.arange(count) % 3


def step(state: State, recipe: Recipe, number: int = 0) -> dict[str, Tensor]:
    x, y = batch()
    return train_step(
        state,
        recipe,
        x,
        y if recipe.conditional else None,
        schedule(recipe, number),
        generator=seeded(number),
        precision=torch.float32,
    )


def outputs(state: State, recipe: Recipe) -> tuple[float, float]:
    """D's means on real and on generated pictures."""
    x, y = batch()
    label = y if recipe.conditional else None
    with torch.no_grad():
        fake = state.g(state.g.sample_noise(4, seeded(9)), label)
        return float(state.d(x, label).mean()), float(state.d(fake, label).mean())


VARIANTS = {
    "plain": {},
    "eq. 8": {"loss.a": "-1", "loss.c": "0"},
    "regular GAN": {"loss.kind": "gan"},
    "sum": {"loss.reduction": "sum"},
    "unconditional": {"conditional": "false"},
    "concat": {"discriminator.label": "concat"},
    "no norm in G": {"generator.norm": "none"},
    "batch norm in both": {"generator.norm": "batch", "discriminator.norm": "batch"},
    "spectral norm": {"discriminator.norm": "spectral"},
    "RMSProp": {"optimizer.kind": "rmsprop"},
    "translate": {"translate": "2"},
    "warp": {"warp.scale": "0.2", "warp.shear": "0.2", "warp.rotate": "9", "warp.fade": "0.3"},
    "labels fade in": {"transition": "[0.0, 0.05]", "images": "1600"},
    "labels fade in, concatenated": {
        "transition": "[0.0, 0.05]",
        "images": "1600",
        "discriminator.label": "concat",
    },
    "label pull": {"label_pull": "2"},
    "label pull, spectral norm": {"label_pull": "2", "discriminator.norm": "spectral"},
    "deconv": {"generator.upsampling": "deconv"},
    "no R1, no EMA": {"r1_gamma": "0", "ema": "0"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_d_learns_to_tell_real_from_generated(toy_recipe: Recipe, variant: str) -> None:
    slow_g = {"optimizer.lr_g": "1e-9", "optimizer.lr_d": "1e-2", "loss.a": "-1"}
    recipe = change(toy_recipe, {**slow_g, **VARIANTS[variant]})
    state = make_state(build, recipe, 3, 0, CPU)
    before = outputs(state, recipe)
    for number in range(20):
        measured = step(state, recipe, number)
    after = outputs(state, recipe)
    assert after[0] > before[0]
    assert after[0] - after[1] > before[0] - before[1] + 0.2
    assert {"loss_d", "loss_g", "d_real", "d_fake"} <= measured.keys()
    assert all(value.isfinite() and not value.requires_grad for value in measured.values())
    assert all(p.requires_grad for p in state.d.parameters())


# Batch norm in D takes the mean of a batch away, so that D's mean output says nothing of G.
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "batch norm in both"])
def test_g_learns_to_be_taken_for_real(toy_recipe: Recipe, variant: str) -> None:
    slow_d = {"optimizer.lr_d": "1e-9", "optimizer.lr_g": "1e-2"}
    recipe = change(toy_recipe, {**slow_d, **VARIANTS[variant], "loss.c": "2"})
    state = make_state(build, recipe, 3, 0, CPU)
    before = outputs(state, recipe)[1]
    for number in range(20):
        step(state, recipe, number)
    assert outputs(state, recipe)[1] > before


def test_what_is_measured_is_the_mean_a_picture(toy_recipe: Recipe) -> None:
    found = {}
    for reduction in ("mean", "sum"):
        recipe = change(toy_recipe, {"loss.reduction": reduction})
        found[reduction] = step(make_state(build, recipe, 3, 0, CPU), recipe)
    for name, value in found["mean"].items():
        # G's loss comes after one step of D, which differs a little (Adam's epsilon).
        torch.testing.assert_close(value, found["sum"][name], rtol=1e-3, atol=1e-5)


def test_a_summed_loss_has_the_batch_times_the_gradient_with_r1(toy_recipe: Recipe) -> None:
    gradients = {}
    for reduction in ("mean", "sum"):
        recipe = change(toy_recipe, {"loss.reduction": reduction, "r1_gamma": "5"})
        state = make_state(build, recipe, 3, 0, CPU)
        step(state, recipe)
        gradients[reduction] = [p.grad for p in state.d.parameters()]
    for mean, total in zip(gradients["mean"], gradients["sum"], strict=True):
        torch.testing.assert_close(4 * mean, total, rtol=1e-4, atol=1e-6)


def test_r1_has_the_weight_of_half_gamma(toy_recipe: Recipe) -> None:
    """Against the gradient of loss + gamma/2 E|grad D(x)|^2, computed here (Mescheder, Eq. 9)."""
    recipe = change(toy_recipe, {"r1_gamma": "5", "r1_every": "1"})
    stepped, by_hand = make_state(build, recipe, 3, 0, CPU), make_state(build, recipe, 3, 0, CPU)
    step(stepped, recipe)
    x, y = batch()
    x.requires_grad_()
    fake = by_hand.g(by_hand.g.sample_noise(4, seeded()), y).detach()
    real_output = by_hand.d(x, y)
    (slope,) = torch.autograd.grad(real_output.sum(), x, create_graph=True)
    penalty = slope.square().sum(dim=(1, 2, 3)).mean()
    loss = discriminator_loss(recipe.loss, real_output, by_hand.d(fake, y)) + 5 / 2 * penalty
    loss.backward()
    for ours, theirs in zip(stepped.d.parameters(), by_hand.d.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("gamma", ["0", "1"])
def test_ds_batch_norm_sees_real_and_generated_images_apart(toy_recipe: Recipe, gamma: str) -> None:
    changes = {"discriminator.norm": "batch", "r1_gamma": gamma, "r1_every": "1"}
    recipe = change(toy_recipe, changes)
    stepped, by_hand = make_state(build, recipe, 3, 0, CPU), make_state(build, recipe, 3, 0, CPU)
    measured = step(stepped, recipe)
    x, y = batch()
    with torch.no_grad():
        fake = by_hand.g(by_hand.g.sample_noise(4, seeded()), y)
        real_output, fake_output = by_hand.d(x, y), by_hand.d(fake, y)
        together = by_hand.d(torch.cat([x, fake]), y.repeat(2))
    torch.testing.assert_close(measured["d_real"], real_output.mean(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(measured["d_fake"], fake_output.mean(), rtol=1e-4, atol=1e-5)
    assert abs(together[:4].mean() - real_output.mean()) > 1e-3  # the test can tell


def test_gs_step_gives_d_the_labels(toy_recipe: Recipe) -> None:
    # D hardly moves, so that G's loss is that of the D below; Φ of D is large enough to matter.
    changes = {"optimizer.lr_d": "1e-12", "r1_gamma": "0", "discriminator.label_sd": "2"}
    recipe = change(toy_recipe, changes)
    stepped, by_hand = make_state(build, recipe, 3, 0, CPU), make_state(build, recipe, 3, 0, CPU)
    measured = step(stepped, recipe)
    _, y = batch()
    fake = by_hand.g(by_hand.g.sample_noise(4, seeded()), y)
    loss = generator_loss(recipe.loss, by_hand.d(fake, y))
    torch.testing.assert_close(measured["loss_g"], loss.detach(), rtol=1e-4, atol=1e-6)
    other = generator_loss(recipe.loss, by_hand.d(fake, y.roll(1)))
    assert abs(other - loss).item() > 1e-3  # the test can tell
    loss.backward()
    for ours, theirs in zip(stepped.g.parameters(), by_hand.g.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)


def test_r1_of_a_linear_d_is_the_square_of_its_weights() -> None:
    torch.manual_seed(0)
    weight = torch.randn(64, requires_grad=True)
    x = torch.randn(5, 1, 8, 8, requires_grad=True)
    penalty = gradient_penalty(x.flatten(1) @ weight, x)
    torch.testing.assert_close(penalty, weight.square().sum())
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * weight)


def test_r1_agrees_with_finite_differences() -> None:
    torch.manual_seed(1)
    weight = torch.randn(64, 7, dtype=torch.float64)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)

    def smooth_d(x: Tensor) -> Tensor:
        return torch.tanh(x.flatten(1) @ weight / 8).square().sum(dim=1)

    penalty = float(gradient_penalty(smooth_d(x), x).detach())
    squares = 0.0
    with torch.no_grad():
        for nudge in 1e-5 * torch.eye(64, dtype=torch.float64).view(64, 1, 8, 8):
            slopes = (smooth_d(x + nudge) - smooth_d(x - nudge)) / 2e-5
            squares += float(slopes.square().sum())
    assert penalty == pytest.approx(squares / 2, rel=1e-5)


def test_r1_is_lazy_and_as_strong_as_it_is_rare(toy_recipe: Recipe) -> None:
    recipe = change(toy_recipe, {"r1_every": "3", "r1_gamma": "2"})
    state = make_state(build, recipe, 3, 0, CPU)
    assert ["r1" in step(state, recipe, number) for number in range(4)] == [
        True,
        False,
        False,
        True,
    ]

    def gradients(every: str, gamma: str) -> list[Tensor]:
        lazy = change(toy_recipe, {"r1_every": every, "r1_gamma": gamma})
        fresh = make_state(build, lazy, 3, 0, CPU)
        step(fresh, lazy)
        return [p.grad for p in fresh.d.parameters()]

    for rare, often in zip(gradients("3", "2"), gradients("1", "6"), strict=True):
        torch.testing.assert_close(rare, often)


def test_labels_fade_in_linearly_between_two_shares_of_the_run(toy_recipe: Recipe) -> None:
    assert {label_weight(toy_recipe, number) for number in range(toy_recipe.steps)} == {1.0}
    recipe = replace(toy_recipe, images=400, transition=(0.25, 0.75))  # 100 steps
    found = [label_weight(recipe, number) for number in range(100)]
    assert found[:26] == [0.0] * 26
    assert found[75:] == [1.0] * 25
    np.testing.assert_allclose(found[25:76], np.linspace(0, 1, 51), atol=1e-12)
    at_once = replace(recipe, transition=(0.5, 0.5))
    assert [label_weight(at_once, number) for number in (49, 50)] == [0.0, 1.0]


@pytest.mark.parametrize("label", ["projection", "concat"])
def test_without_weight_labels_are_not_heard_and_with_all_of_it_they_are(
    toy_recipe: Recipe, label: str
) -> None:
    state = make_state(build, change(toy_recipe, {"discriminator.label": label}), 3, 0, CPU)
    x, y = batch()
    z = state.g.sample_noise(4, seeded())
    for network, first in ((state.g, z), (state.d, x)):
        with torch.no_grad():
            unheard = [network(first, labels, 0.0) for labels in (y, 2 - y)]
            heard = [network(first, labels, torch.tensor(1.0)) for labels in (y, 2 - y)]
            plain = network(first, y)
        assert torch.equal(unheard[0], unheard[1])
        assert not torch.equal(heard[0], heard[1])
        assert torch.equal(heard[0], plain)


def test_labels_teach_nothing_before_they_fade_in(toy_recipe: Recipe) -> None:
    recipe = replace(toy_recipe, transition=(0.5, 1.0))
    state = make_state(build, recipe, 3, 0, CPU)
    maps = [state.g.label_map, state.d.label_map]
    before = [m.weight.detach().clone() for m in maps]
    for number in (0, 10, recipe.steps // 2):
        step(state, recipe, number)
    assert all(torch.equal(a, m.weight) for a, m in zip(before, maps, strict=True))
    step(state, recipe, recipe.steps - 1)
    assert not any(torch.equal(a, m.weight) for a, m in zip(before, maps, strict=True))


@pytest.mark.parametrize("norm", ["none", "spectral"])
def test_the_pull_keeps_the_mean_row_and_shortens_the_way_to_it(
    toy_recipe: Recipe, norm: str
) -> None:
    recipe = change(toy_recipe, {"label_pull": "50", "discriminator.norm": norm})
    state = make_state(build, recipe, 3, 0, CPU)
    for network in (state.g, state.d):
        rows = next(p for p in network.label_map.parameters() if p.ndim == 2)
        before = rows.detach().clone()
        network.label_map.pull_together(0.25)
        mean = before.mean(dim=0)
        torch.testing.assert_close(rows.detach(), mean + 0.75 * (before - mean))


def test_the_pull_is_once_a_step_and_by_the_learning_rate(toy_recipe: Recipe) -> None:
    rates = {"optimizer.lr_g": "1e-3", "optimizer.lr_d": "2e-3"}
    plain, pulled = (
        make_state(build, change(toy_recipe, {**rates, "label_pull": pull}), 3, 0, CPU)
        for pull in ("0", "100")
    )
    step(plain, change(toy_recipe, {**rates, "label_pull": "0"}))
    step(pulled, change(toy_recipe, {**rates, "label_pull": "100"}))
    for rows, other, share in (
        (plain.g.label_map.weight, pulled.g.label_map.weight, 0.1),
        (plain.d.label_map.weight, pulled.d.label_map.weight, 0.2),
    ):
        torch.testing.assert_close(other, rows.lerp(rows.mean(dim=0).expand_as(rows), share))


def test_the_average_follows_its_formula_and_copies_statistics(toy_recipe: Recipe) -> None:
    state = make_state(build, toy_recipe, 3, 0, CPU)
    old = [p.clone() for p in state.ema.parameters()]
    with torch.no_grad():
        for p in state.g.parameters():
            p.add_(1.0)
        for b in state.g.buffers():
            b.add_(3)
    for number, decay, weight in ((0, 0.998, 0.9), (90, 0.998, 0.09), (10_000, 0.998, 0.002)):
        for average, value in zip(state.ema.parameters(), old, strict=True):
            average.copy_(value)
        found = ema_weight(replace(toy_recipe, ema=decay), number)
        assert found == pytest.approx(weight)
        update_average(state.ema, state.g, found)
        for average, value in zip(state.ema.parameters(), old, strict=True):
            torch.testing.assert_close(average, value + weight, rtol=1e-4, atol=1e-5)
    buffers = list(zip(state.ema.buffers(), state.g.buffers(), strict=True))
    assert buffers
    assert all(torch.equal(a, b) for a, b in buffers)


def test_without_decay_the_average_is_g_itself(toy_recipe: Recipe) -> None:
    state = make_state(build, replace(toy_recipe, ema=0.0), 3, 0, CPU)
    assert state.ema is state.g
    state = make_state(build, toy_recipe, 3, 0, CPU)
    assert not any(p.requires_grad for p in state.ema.parameters())
    before = [p.clone() for p in state.ema.parameters()]
    step(state, toy_recipe)
    assert any(not torch.equal(a, b) for a, b in zip(before, state.ema.parameters(), strict=True))


def test_weights_depend_on_the_seed_and_leave_the_global_one_alone(toy_recipe: Recipe) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    states = [make_state(build, toy_recipe, 3, seed, CPU) for seed in (0, 0, 1)]
    assert torch.equal(torch.rand(1), expected)
    first, same, other = (torch.cat([p.flatten() for p in s.g.parameters()]) for s in states)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_optimisers_are_as_the_recipe_says(toy_recipe: Recipe) -> None:
    changes = {"optimizer.lr_g": "0.5", "optimizer.lr_d": "0.25", "optimizer.beta2": "0.7"}
    adam = make_state(build, change(toy_recipe, changes), 3, 0, CPU)
    assert isinstance(adam.optimizer_g, torch.optim.Adam)
    assert adam.optimizer_g.param_groups[0]["lr"] == 0.5
    assert adam.optimizer_d.param_groups[0]["lr"] == 0.25
    assert adam.optimizer_d.param_groups[0]["betas"] == (0.5, 0.7)
    rms = make_state(build, change(toy_recipe, {**changes, "optimizer.kind": "rmsprop"}), 3, 0, CPU)
    assert isinstance(rms.optimizer_g, torch.optim.RMSprop)
    assert rms.optimizer_d.param_groups[0]["lr"] == 0.25
    assert rms.optimizer_d.param_groups[0]["alpha"] == 0.7


def test_bf16_keeps_losses_and_weights_in_float32(toy_recipe: Recipe) -> None:
    state = make_state(build, toy_recipe, 3, 0, CPU)
    x, y = batch()
    measured = train_step(
        state,
        toy_recipe,
        x,
        y,
        schedule(toy_recipe, 0),
        generator=seeded(),
        precision=torch.bfloat16,
    )
    assert all(value.dtype == torch.float32 for value in measured.values())
    assert all(p.dtype == torch.float32 for p in state.g.parameters())


def test_averages_of_all_parameters_at_once_are_those_of_one_after_another(
    toy_recipe: Recipe,
) -> None:
    state = make_state(build, toy_recipe, 3, 0, CPU)
    with torch.no_grad():
        for parameter in state.g.parameters():
            parameter.normal_()
    for weight in (0.002, 0.9, torch.tensor(0.002)):
        expected = copy.deepcopy(state.ema)
        with torch.no_grad():
            for average, value in zip(expected.parameters(), state.g.parameters(), strict=True):
                average.lerp_(value, weight)
        update_average(state.ema, state.g, weight)
        for found, average in zip(state.ema.parameters(), expected.parameters(), strict=True):
            assert torch.equal(found, average)
