"""What the losses look like, and which divergence they minimise: Figs. 1 and 2, Eqs. 5 to 9.

In: nothing. Evaluates the losses that the product trains with (hwgen.generators.gan.losses): their
values and gradients over D's output (Fig. 2); what they do to generated points that lie far away on
the right side of the boundary (Fig. 1); whether the optimal D of Eq. 5 is the one that descent
finds, and whether 2C(G) is the Pearson chi^2 of Eq. 7. Out: DIR/geometry.json and three figures, in
seconds.

    python -m benchmarks.paper.geometry --out DIR
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.paper.geometry_figures import draw_boundary, draw_divergence, draw_losses
from hwgen.compute.devices import describe
from hwgen.generators.gan.losses import discriminator_loss, generator_loss
from hwgen.generators.gan.presets import LOSSES, Loss
from hwgen.io.json_files import write_json

OUTPUTS = (-8.0, -4.0, -2.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""D's outputs at which gradients are given as numbers."""

FLAT = 1e-3
"""A gradient below this is counted as none."""

POINTS = 64  # of a discrete distribution
GRID = 801  # of a continuous one, on [-4, 4]
PAIRS = 8  # of distributions of each kind
CODINGS = 8  # random (a, b, c)
DESCENT = 60  # steps, each of which halves the distance
SHIFTS, SHIFT_STEPS, SHIFT_RATE = 60, 400, 0.05


# Fig. 2: the losses over D's output


def pointwise(loss: Callable[[Tensor], Tensor], said: Tensor) -> tuple[Tensor, Tensor]:
    """Values and gradients of a loss at each of D's outputs [N], every one a batch of its own."""
    one = said.detach()[:, None].requires_grad_()
    values = torch.vmap(loss)(one)
    return values.detach(), torch.autograd.grad(values.sum(), one)[0][:, 0]


def curves(low: float, high: float, count: int) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
    """Where, and G's loss and its gradient there for each of LOSSES."""
    said = torch.linspace(low, high, count, dtype=torch.float64)
    return said, {
        name: pointwise(partial(generator_loss, loss), said) for name, loss in LOSSES.items()
    }


def gradients() -> dict[str, Any]:
    """G's gradient by D's output, and how much of [-20, 20] has none."""
    at = torch.tensor(OUTPUTS, dtype=torch.float64)
    said, found = curves(-20, 20, 400_001)
    result: dict[str, Any] = {"outputs": list(OUTPUTS), "flat below": FLAT}
    for name, loss in LOSSES.items():
        flat = said[found[name][1].abs() < FLAT]
        result[name] = {
            "gradient": pointwise(partial(generator_loss, loss), at)[1].tolist(),
            "flat from": flat.min().item(),
            "flat to": flat.max().item(),
        }
    return result


# Fig. 1: generated points far on the right side of the boundary


@dataclass(frozen=True)
class Scene:
    """Points in the plane [N, 2]: real, generated, and generated on the side of the real ones."""

    real: Tensor
    fake: Tensor
    far: Tensor


def scene(seed: int) -> Scene:
    """Real and generated points that overlap a little; the far ones came after D was trained."""
    draw = torch.Generator().manual_seed(seed)

    def cloud(count: int, x: float, y: float, sd: float) -> Tensor:
        points = torch.randn(count, 2, generator=draw, dtype=torch.float64)
        return points * sd + torch.tensor([x, y], dtype=torch.float64)

    return Scene(cloud(400, 0, 0, 1), cloud(400, -2, -2, 1), cloud(SHIFTS, 4, 4, 0.6))


def affine(parameters: Tensor, points: Tensor) -> Tensor:
    """D(x) = w x + b of parameters [3] at points [N, 2]."""
    return points @ parameters[:2] + parameters[2]


def fit_d(loss: Loss, where: Scene) -> Tensor:
    """The affine D, [3], that minimises its loss on the real and the (near) generated points."""
    d = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([d], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-15)

    def evaluate() -> Tensor:
        optimiser.zero_grad()
        value = discriminator_loss(loss, affine(d, where.real), affine(d, where.fake))
        value.backward()
        return value

    optimiser.step(evaluate)
    return d.detach()


def middle(loss: Loss) -> float:
    """D's output on its boundary, half-way between what it says of generated and of real points."""
    return (loss.a + loss.b) / 2 if loss.kind == "lsgan" else 0.0


def moved(loss: Loss, d: Tensor, points: Tensor) -> list[Tensor]:
    """The points' way under gradient descent on G's loss, D fixed; each as if it were alone."""
    way = [points]
    for _ in range(SHIFT_STEPS):
        here = way[-1].clone().requires_grad_()
        losses = torch.vmap(partial(generator_loss, loss))(affine(d, here)[:, None])
        way.append((here - SHIFT_RATE * torch.autograd.grad(losses.sum(), here)[0]).detach())
    return way


def boundary(seed: int) -> tuple[Scene, dict[str, Tensor], dict[str, list[Tensor]], dict[str, Any]]:
    """The scene, D and the far points' way for each loss, and figures of them."""
    where = scene(seed)
    centre = where.real.mean(dim=0)
    ds, ways, result = {}, {}, {}
    for name, loss in LOSSES.items():
        d = ds[name] = fit_d(loss, where)
        ways[name] = moved(loss, d, where.far)
        norms = {}
        for group, points in (("fake", where.fake), ("far", where.far)):
            pull = pointwise(partial(generator_loss, loss), affine(d, points))[1]
            norms[group] = (pull.abs() * d[:2].norm()).mean().item()
        result[name] = {
            "D of real": affine(d, where.real).mean().item(),
            "D of fake": affine(d, where.fake).mean().item(),
            "D of far": affine(d, where.far).mean().item(),
            "gradient of fake": norms["fake"],
            "gradient of far": norms["far"],
            "far over fake": norms["far"] / norms["fake"],
            "far from real before": (where.far - centre).norm(dim=1).mean().item(),
            "far from real after": (ways[name][-1] - centre).norm(dim=1).mean().item(),
        }
    return where, ds, ways, {"steps": SHIFT_STEPS, "rate": SHIFT_RATE, **result}


# Eqs. 5 to 9: optimal D and the divergence


def optimal_d(loss: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """Eq. 5: (b p_d + a p_g) / (p_d + p_g) at each point."""
    return (loss.b * real + loss.a * fake) / (real + fake)


def found_d(loss: Loss, real: Tensor, fake: Tensor, seed: int) -> Tensor:
    """The D [N], free at every point, that gradient descent on D's loss (Eq. 2) finds.

    A D that says b of a real point, or a of a generated one, loses nothing by it, so that each
    expectation is got from the same function. Each point's gradient is divided by its probability,
    so that rare points are as quick as common ones; where it ends does not change.
    """
    a, b = (torch.tensor([v], dtype=torch.float64) for v in (loss.a, loss.b))

    def expected(d: Tensor) -> Tensor:
        on_real = torch.vmap(lambda said: discriminator_loss(loss, said, a))(d[:, None])
        on_fake = torch.vmap(lambda said: discriminator_loss(loss, b, said))(d[:, None])
        return (real * on_real).sum() + (fake * on_fake).sum()

    draw = torch.Generator().manual_seed(seed)
    d = torch.randn(len(real), generator=draw, dtype=torch.float64)
    for _ in range(DESCENT):
        d.requires_grad_()
        (slope,) = torch.autograd.grad(expected(d), d)
        d = d.detach() - 0.5 * slope / (real + fake)
    return d


def twice_c(loss: Loss, real: Tensor, fake: Tensor, d: Tensor) -> float:
    """2C(G) of Eq. 6: (D - c)^2 expected over p_d and over p_g, by G's own loss."""
    each = torch.vmap(partial(generator_loss, loss))(d[:, None])
    return 2 * ((real + fake) * each).sum().item()


def pearson(p: Tensor, q: Tensor) -> float:
    """Pearson chi^2(p || q) as the paper has it, after Nowozin et al. 2016: sum (q - p)^2 / p."""
    return ((q - p) ** 2 / p).sum().item()


def distributions(seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Pairs p_d, p_g: random probabilities, and mixtures of two normals on a grid."""
    draw = torch.Generator().manual_seed(seed)
    ticks = torch.linspace(-4, 4, GRID, dtype=torch.float64)

    def discrete() -> Tensor:
        weights = -torch.rand(POINTS, generator=draw, dtype=torch.float64).log()
        return weights / weights.sum()

    def continuous() -> Tensor:
        u = torch.rand(2, 3, generator=draw, dtype=torch.float64)
        means, sds, shares = 4 * u[:, :1] - 2, 0.8 + u[:, 1:2], 0.2 + u[:, 2:]
        mass = (shares / sds * torch.exp(-0.5 * ((ticks - means) / sds) ** 2)).sum(dim=0)
        return mass / mass.sum()

    kinds = {"discrete": discrete, "continuous": continuous}
    pairs = {f"{kind} {n}": (make(), make()) for kind, make in kinds.items() for n in range(PAIRS)}
    return pairs | {"discrete, equal": (pairs["discrete 0"][0],) * 2}


def codings(seed: int) -> dict[str, Loss]:
    """The paper's (a, b, c) and some random ones."""
    draw = torch.Generator().manual_seed(seed)
    chosen = {name: loss for name, loss in LOSSES.items() if loss.kind == "lsgan"}
    for n in range(CODINGS):
        a, b, c = torch.randn(3, generator=draw).tolist()
        chosen[f"random {n}"] = Loss(a=a, b=b, c=c)
    return chosen


def divergence(seed: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row for each coding and pair of distributions, and the largest error of each claim."""
    rows = []
    for name, loss in codings(seed).items():
        for pair, (real, fake) in distributions(seed).items():
            best = optimal_d(loss, real, fake)
            found = found_d(loss, real, fake, seed)
            chi2 = pearson(real + fake, 2 * fake)
            constant = (loss.a + loss.b - 2 * loss.c) ** 2 / 2
            rows.append(
                {
                    "coding": name,
                    "abc": [loss.a, loss.b, loss.c],
                    "pair": pair,
                    "D error": (found - best).abs().max().item(),
                    "2C(G)": twice_c(loss, real, fake, found),
                    "chi2": chi2,
                    "affine in chi2": constant + (loss.b - loss.a) ** 2 / 4 * chi2,
                    "chi2 of textbooks": pearson(2 * fake, real + fake),
                }
            )
    eq8 = [row for row in rows if row["coding"] == "lsgan-eq8"]
    eq9 = [row for row in rows if row["coding"] == "lsgan-eq9"]
    return rows, {
        "Eq. 5, descent against formula": _worst(rows, "D error"),
        "Eq. 7, 2C(G) - chi2 with (-1, 1, 0)": _worst_between(eq8, "2C(G)", "chi2"),
        "Eq. 9, 2C(G) - chi2 with (0, 1, 1)": _worst_between(eq9, "2C(G)", "chi2"),
        "2C(G) - affine in chi2, any (a, b, c)": _worst_between(rows, "2C(G)", "affine in chi2"),
    }


def _worst(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return max(abs(row[name]) for row in rows)


def _worst_between(rows: Sequence[Mapping[str, Any]], one: str, other: str) -> float:
    return max(abs(row[one] - row[other]) for row in rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()

    slopes = gradients()
    print("G's gradient, by D's output on a generated sample")
    print(f"{'':10}" + "".join(f"{at:>10.0f}" for at in OUTPUTS))
    for name in LOSSES:
        own = slopes[name]
        print(f"{name:10}" + "".join(f"{value:10.4f}" for value in own["gradient"]))
        print(f"{'':10}below {FLAT} from {own['flat from']:.3f} to {own['flat to']:.3f}")
    draw_losses(options.out / "losses.png", *curves(-6, 8, 561))

    where, ds, ways, pulls = boundary(options.seed)
    print("\nGenerated points far on the real side, D fixed")
    for name in LOSSES:
        own = pulls[name]
        print(
            f"{name:10} gradient of far over near {own['far over fake']:.4f}, distance from real "
            f"{own['far from real before']:.2f} -> {own['far from real after']:.2f}"
        )
    levels = {name: middle(loss) for name, loss in LOSSES.items()}
    draw_boundary(options.out / "boundary.png", where.real, where.fake, ds, levels, ways)

    rows, errors = divergence(options.seed)
    print("\nLargest differences")
    for name, error in errors.items():
        print(f"{name:40} {error:.2e}")
    draw_divergence(options.out / "divergence.png", rows)

    result = {
        "settings": {
            "seed": options.seed,
            **describe(torch.device("cpu"), torch.float32),
            "precision": "fp64",
        },
        "seconds": round(time.perf_counter() - began, 1),
        "gradients": slopes,
        "boundary": pulls,
        "divergence": {"errors": errors, "rows": rows},
    }
    write_json(options.out / "geometry.json", result)


if __name__ == "__main__":
    main()
