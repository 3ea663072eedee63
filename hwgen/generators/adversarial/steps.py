"""The training step: networks, optimisers, and one update of D and of G."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from hwgen.compute.devices import autocast
from hwgen.compute.distributed import ALONE, Ranks, replicate
from hwgen.generators.adversarial.diffaugment import diffaugment
from hwgen.generators.adversarial.discriminator import AnyDiscriminator
from hwgen.generators.adversarial.interface import AdversarialGenerator
from hwgen.generators.adversarial.layers import LabelMap
from hwgen.generators.adversarial.losses import discriminator_loss, generator_loss
from hwgen.generators.adversarial.optimizers import TensorFlowRMSprop
from hwgen.generators.adversarial.recipe import AdversarialRecipe, AnyRecipe, Optimizer

G = TypeVar("G", bound=AdversarialGenerator)


@dataclass
class State(Generic[G]):
    """Everything that training changes.

    Attributes:
        g: generator.
        d: discriminator.
        ema: moving average of g with its batch norm's statistics; g itself without EMA.
        optimizer_g: of g.
        optimizer_d: of d.
        ranks: the processes that train together; each sees its slice of every batch.
        replica_g: g as it is called where its gradients are needed, see replicate.
        replica_d: d likewise.
    """

    g: G
    d: AnyDiscriminator
    ema: G
    optimizer_g: torch.optim.Optimizer
    optimizer_d: torch.optim.Optimizer
    ranks: Ranks
    replica_g: nn.Module
    replica_d: nn.Module


def make_state(
    build: Callable[[AnyRecipe, int], tuple[G, AnyDiscriminator]],
    recipe: AnyRecipe,
    classes: int,
    seed: int,
    device: torch.device,
    ranks: Ranks = ALONE,
) -> State[G]:
    """Networks and optimisers at the start; the weights depend on the seed alone.

    Args:
        build: see AdversarialKind.
        recipe: of the run.
        classes: number of classes.
        seed: of the weights.
        device: where to train.
        ranks: the processes that train together.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        g, d = build(recipe, classes)
    g.to(device).to(memory_format=torch.channels_last)
    d.to(device).to(memory_format=torch.channels_last)
    ema = copy.deepcopy(g).requires_grad_(False).eval() if recipe.ema else g
    return State(
        g=g,
        d=d,
        ema=ema,
        optimizer_g=_optimizer(g, recipe.optimizer, recipe.optimizer.lr_g),
        optimizer_d=_optimizer(d, recipe.optimizer, recipe.optimizer.lr_d),
        ranks=ranks,
        replica_g=replicate(g, ranks),
        replica_d=replicate(d, ranks),
    )


def _optimizer(network: nn.Module, spec: Optimizer, lr: float) -> torch.optim.Optimizer:
    parameters = list(network.parameters())
    capturable = parameters[0].device.type == "cuda"  # counts steps on the device, for CUDA graphs
    if spec.kind == "tf-rmsprop":
        return TensorFlowRMSprop(parameters, lr=lr, decay=spec.beta2)
    if spec.kind == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr, alpha=spec.beta2, capturable=capturable)
    betas = (spec.beta1, spec.beta2)
    return torch.optim.Adam(parameters, lr=lr, betas=betas, fused=True, capturable=capturable)


@dataclass(frozen=True)
class Schedule:
    """What depends on the number of the step.

    Attributes:
        step: number of the step, from 0.
        r1: whether this step has the R1 penalty.
        ema_weight: how far the average moves towards G; a tensor in a CUDA graph.
        label_weight: weight of Φ(y) in G and D, see `label_weight`; a tensor likewise.
    """

    step: int
    r1: bool
    ema_weight: float | Tensor
    label_weight: float | Tensor


def schedule(recipe: AdversarialRecipe, step: int) -> Schedule:
    """The Schedule of one step."""
    return Schedule(
        step=step,
        r1=recipe.r1_gamma > 0 and step % recipe.r1_every == 0,
        ema_weight=ema_weight(recipe, step),
        label_weight=label_weight(recipe, step),
    )


def ema_weight(recipe: AdversarialRecipe, step: int) -> float:
    """How far the average moves towards G: farther at first, when G changes fast."""
    return 1 - min(recipe.ema, (1 + step) / (10 + step))


def label_weight(recipe: AdversarialRecipe, step: int) -> float:
    """Weight of Φ(y) in G and D: 0 without labels, 1 fully conditional.

    From Shahbazi et al. 2022, Collapse by Conditioning, who show that with few samples per class
    conditional GANs collapse where unconditional ones do not: training starts without labels, and
    the labels fade in. They also keep an unconditional term in the loss; here D has one output,
    whose label part fades in with G's.
    """
    first, second = recipe.transition
    done = step / recipe.steps
    if done >= second:
        return 1.0
    return 0.0 if done <= first else (done - first) / (second - first)


def train_step(
    state: State,
    recipe: AdversarialRecipe,
    x: Tensor,
    y: Tensor | None,
    at: Schedule,
    *,
    generator: torch.Generator,
    precision: torch.dtype,
) -> dict[str, Tensor]:
    """One step of D, then one of G, with the same z and the same labels (Mao et al., Eq. 10).

    D's batch norm sees real and generated images as separate batches, as in the authors' code.
    Several ranks take one step together: noise and DiffAugment are those of the whole batch, of
    which each takes its slice, and gradients are those of the whole batch's loss.

    Args:
        state: changed in place.
        recipe: see AdversarialRecipe.
        x: real images [N, C, S, S] in the recipe's range; this rank's slice of the batch.
        y: their labels, int64 [N]; None for an unconditional recipe.
        at: what depends on the number of the step.
        generator: of z and DiffAugment.
        precision: of the networks; losses and weights are float32.

    Returns:
        Scalars over this rank's slice: loss_d, loss_g (means per image), d_real, d_fake (mean
        outputs of D), and r1.
    """
    loss, ranks = recipe.loss, state.ranks
    count = len(x)
    # Gradients are averaged over the ranks, which is right for means.
    per_mean = ranks.size if loss.reduction == "sum" else 1
    x = x.contiguous(memory_format=torch.channels_last)
    z = ranks.local_slice(state.g.sample_noise(count * ranks.size, generator))
    cast = autocast(x.device, precision)

    # D: real towards b, generated towards a.
    with cast:
        fake = state.replica_g(z, y, at.label_weight)
    real_augmented = diffaugment(x, recipe, generator, ranks).detach()  # x itself is not changed
    fake_augmented = diffaugment(fake, recipe, generator, ranks)
    real_augmented.requires_grad_(at.r1)
    with cast:
        if at.r1:
            # Separately, so that the penalty's double backward needs the real images only.
            d_real = state.replica_d(real_augmented, y, at.label_weight)
            d_fake = state.replica_d(fake_augmented.detach(), y, at.label_weight)
        else:
            both = torch.cat([real_augmented, fake_augmented.detach()])
            labels = None if y is None else y.repeat(2)
            d_real, d_fake = state.replica_d(both, labels, at.label_weight, parts=2).chunk(2)
    loss_d = discriminator_loss(loss, d_real, d_fake)
    total = loss_d
    measured: dict[str, Tensor] = {}
    if at.r1:
        r1 = gradient_penalty(d_real, real_augmented)
        per_sum = count if loss.reduction == "sum" else 1
        total = total + (recipe.r1_gamma / 2 * recipe.r1_every * per_sum) * r1
        measured["r1"] = r1.detach()
    state.optimizer_d.zero_grad(set_to_none=True)
    (total * per_mean).backward()
    state.optimizer_d.step()

    # G: generated towards c, by the updated D.
    state.d.requires_grad_(False)
    with cast:
        d_fake_g = state.d(fake_augmented, y, at.label_weight)
    loss_g = generator_loss(loss, d_fake_g)
    state.optimizer_g.zero_grad(set_to_none=True)
    (loss_g * per_mean).backward()
    state.optimizer_g.step()
    state.d.requires_grad_(True)
    if recipe.label_pull:
        pull_classes_together(state, recipe)
    if recipe.ema:
        update_average(state.ema, state.g, at.ema_weight)

    per_image = 1 / count if loss.reduction == "sum" else 1.0
    return {
        **measured,
        "loss_d": loss_d.detach() * per_image,
        "loss_g": loss_g.detach() * per_image,
        "d_real": d_real.detach().mean(),
        "d_fake": d_fake.detach().mean(),
    }


def gradient_penalty(output: Tensor, x: Tensor) -> Tensor:
    """E|grad D(x)|^2 over real x, mean per image (R1, Mescheder et al. 2018, Eq. 9)."""
    (gradient,) = torch.autograd.grad(output.sum(), x, create_graph=True)
    return gradient.float().square().sum(dim=(1, 2, 3)).mean()


def pull_classes_together(state: State, recipe: AdversarialRecipe) -> None:
    """Pull the rows of every Φ of G and of D together, see LabelMap.pull_together."""
    for network, lr in ((state.g, recipe.optimizer.lr_g), (state.d, recipe.optimizer.lr_d)):
        for part in network.modules():
            if isinstance(part, LabelMap):
                part.pull_together(recipe.label_pull * lr)


@torch.no_grad()
def update_average(ema: nn.Module, g: nn.Module, weight: float | Tensor) -> None:
    """Move the average's parameters towards g's by `weight`, and copy batch norm's statistics."""
    averages: list[Tensor] = list(ema.parameters())
    values: list[Tensor] = list(g.parameters())
    if isinstance(weight, Tensor):  # in a CUDA graph, which launches all kernels at once
        for average, value in zip(averages, values, strict=True):
            average.lerp_(value, weight)
    else:
        torch._foreach_lerp_(averages, values, weight)
    for statistic, value_now in zip(ema.buffers(), g.buffers(), strict=True):
        statistic.copy_(value_now)
