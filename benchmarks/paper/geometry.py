"""Losses, their gradients and divergences: Figs. 1 and 2, Eqs. 1, 3 and 5 to 9.

    python -m benchmarks.paper.geometry --out DIR

Evaluates the losses that hwgen trains with (hwgen.generators.adversarial.losses): values and
gradients by D's output (Fig. 2); their pull on generated points far from the boundary on the side
of the real ones (Fig. 1); whether gradient descent finds the optimal D of Eq. 5, and whether 2C(G)
is the Pearson chi^2 of Eq. 7. Eq. 1's minimax loss of G, which no network is trained with, stands
beside them, and Eq. 3 is checked in the same way. Writes DIR/geometry.json and three figures in
seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.options import make_parser
from benchmarks.paper.geometry_figures import plot_boundary, plot_divergence, plot_losses
from benchmarks.paper.geometry_minimax import jensen_shannon, minimax_loss
from benchmarks.provenance import provenance
from hwgen.generators.adversarial.losses import discriminator_loss, generator_loss
from hwgen.generators.gan.presets import LOSSES, Loss
from hwgen.io.json_files import write_json

OUTPUTS = (-8.0, -4.0, -2.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""D's outputs at which gradients are tabulated."""

FLAT = 1e-3
"""A gradient below this counts as zero."""

POINTS = 64  # of a discrete distribution
GRID = 801  # of a continuous one, on [-4, 4]
PAIRS = 8  # of distributions of each kind
CODINGS = 8  # random (a, b, c)
DESCENT = 60  # steps, each of which halves the distance
SHIFTS, SHIFT_STEPS, SHIFT_RATE = 60, 400, 0.05


OF_D: Mapping[str, Loss] = {"minimax": LOSSES["gan"], **LOSSES}
"""D's loss in each arm."""

OF_G: Mapping[str, Callable[[Tensor], Tensor]] = {
    "minimax": minimax_loss,
    **{name: partial(generator_loss, loss) for name, loss in LOSSES.items()},
}
"""G's loss in each arm: of D's outputs [N] on generated samples."""


# Fig. 2: the losses over D's output


def pointwise(loss: Callable[[Tensor], Tensor], d: Tensor) -> tuple[Tensor, Tensor]:
    """Values and gradients of a loss at each of D's outputs [N], each as a batch of one."""
    one = d.detach()[:, None].requires_grad_()
    values = torch.vmap(loss)(one)
    return values.detach(), torch.autograd.grad(values.sum(), one)[0][:, 0]


def curves(low: float, high: float, count: int) -> tuple[Tensor, dict[str, tuple[Tensor, Tensor]]]:
    """D's outputs, and G's loss and its gradient there for each of OF_G."""
    d = torch.linspace(low, high, count, dtype=torch.float64)
    return d, {name: pointwise(loss, d) for name, loss in OF_G.items()}


def gradients() -> dict[str, Any]:
    """G's gradient by D's output, and the part of [-20, 20] where it is zero."""
    at = torch.tensor(OUTPUTS, dtype=torch.float64)
    d, found = curves(-20, 20, 400_001)
    result: dict[str, Any] = {"outputs": list(OUTPUTS), "flat below": FLAT}
    for name, loss in OF_G.items():
        flat = d[found[name][1].abs() < FLAT]
        result[name] = {
            "gradient": pointwise(loss, at)[1].tolist(),
            "flat from": flat.min().item(),
            "flat to": flat.max().item(),
        }
    return result


# Fig. 1: generated points far from the boundary on the side of the real ones


@dataclass(frozen=True)
class Scene:
    """Points in the plane, each [N, 2]: real, generated, and generated far beyond the real ones."""

    real: Tensor
    fake: Tensor
    far: Tensor


def scene(seed: int) -> Scene:
    """Real and generated points that overlap a little; D is not trained on the far ones."""
    random = torch.Generator().manual_seed(seed)

    def cloud(count: int, x: float, y: float, sd: float) -> Tensor:
        points = torch.randn(count, 2, generator=random, dtype=torch.float64)
        return points * sd + torch.tensor([x, y], dtype=torch.float64)

    return Scene(cloud(400, 0, 0, 1), cloud(400, -2, -2, 1), cloud(SHIFTS, 4, 4, 0.6))


def affine(parameters: Tensor, points: Tensor) -> Tensor:
    """D(x) = w x + b with parameters [3] at points [N, 2]."""
    return points @ parameters[:2] + parameters[2]


def fit_d(loss: Loss, where: Scene) -> Tensor:
    """Parameters [3] of the affine D that minimises its loss on real and near generated points."""
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
    """D's output on its boundary, half-way between its targets."""
    return (loss.a + loss.b) / 2 if loss.kind == "lsgan" else 0.0


def moved(loss: Callable[[Tensor], Tensor], d: Tensor, points: Tensor) -> list[Tensor]:
    """Points after each step of gradient descent on G's loss, D fixed, each point on its own."""
    path = [points]
    for _ in range(SHIFT_STEPS):
        here = path[-1].clone().requires_grad_()
        losses = torch.vmap(loss)(affine(d, here)[:, None])
        path.append((here - SHIFT_RATE * torch.autograd.grad(losses.sum(), here)[0]).detach())
    return path


def boundary(seed: int) -> tuple[Scene, dict[str, Tensor], dict[str, list[Tensor]], dict[str, Any]]:
    """The scene, D and the far points' path for each loss, and a summary."""
    where = scene(seed)
    centre = where.real.mean(dim=0)
    ds, ways, result = {}, {}, {}
    for name, loss in OF_G.items():
        d = ds[name] = fit_d(OF_D[name], where)
        ways[name] = moved(loss, d, where.far)
        norms = {}
        for group, points in (("fake", where.fake), ("far", where.far)):
            pull = pointwise(loss, affine(d, points))[1]
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
    """D [N], free at every point, after gradient descent on D's loss (Eq. 2).

    The loss is zero where D is b on a real point or a on a generated one, so both expectations come
    from the same function. Each point's gradient is divided by its probability, so that rare points
    converge as fast as common ones; the minimum stays the same.
    """
    a, b = (torch.tensor([v], dtype=torch.float64) for v in (loss.a, loss.b))

    def expected(d: Tensor) -> Tensor:
        on_real = torch.vmap(lambda own: discriminator_loss(loss, own, a))(d[:, None])
        on_fake = torch.vmap(lambda own: discriminator_loss(loss, b, own))(d[:, None])
        return (real * on_real).sum() + (fake * on_fake).sum()

    random = torch.Generator().manual_seed(seed)
    d = torch.randn(len(real), generator=random, dtype=torch.float64)
    for _ in range(DESCENT):
        d.requires_grad_()
        (slope,) = torch.autograd.grad(expected(d), d)
        d = d.detach() - 0.5 * slope / (real + fake)
    return d


def twice_c(loss: Loss, real: Tensor, fake: Tensor, d: Tensor) -> float:
    """2C(G) of Eq. 6: the expectation of (D - c)^2 over p_d and over p_g, by G's loss."""
    each = torch.vmap(partial(generator_loss, loss))(d[:, None])
    return 2 * ((real + fake) * each).sum().item()


def pearson(p: Tensor, q: Tensor) -> float:
    """Pearson chi^2(p || q) as in the paper, after Nowozin et al. 2016: sum (q - p)^2 / p."""
    return ((q - p) ** 2 / p).sum().item()


def distributions(seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Pairs p_d, p_g: random probabilities, and mixtures of two normals on a grid."""
    random = torch.Generator().manual_seed(seed)
    ticks = torch.linspace(-4, 4, GRID, dtype=torch.float64)

    def discrete() -> Tensor:
        weights = -torch.rand(POINTS, generator=random, dtype=torch.float64).log()
        return weights / weights.sum()

    def continuous() -> Tensor:
        u = torch.rand(2, 3, generator=random, dtype=torch.float64)
        means, sds, weights = 4 * u[:, :1] - 2, 0.8 + u[:, 1:2], 0.2 + u[:, 2:]
        mass = (weights / sds * torch.exp(-0.5 * ((ticks - means) / sds) ** 2)).sum(dim=0)
        return mass / mass.sum()

    kinds = {"discrete": discrete, "continuous": continuous}
    pairs = {f"{kind} {n}": (make(), make()) for kind, make in kinds.items() for n in range(PAIRS)}
    return pairs | {"discrete, equal": (pairs["discrete 0"][0],) * 2}


def codings(seed: int) -> dict[str, Loss]:
    """The paper's (a, b, c) and some random ones."""
    random = torch.Generator().manual_seed(seed)
    chosen = {name: loss for name, loss in LOSSES.items() if loss.kind == "lsgan"}
    for n in range(CODINGS):
        a, b, c = torch.randn(3, generator=random).tolist()
        chosen[f"random {n}"] = Loss(a=a, b=b, c=c)
    return chosen


def divergence(seed: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row per coding and pair of distributions, and the largest error of each equation."""
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
    parser = make_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()

    slopes = gradients()
    print("G's gradient, by D's output on a generated sample")
    print(f"{'':10}" + "".join(f"{at:>10.0f}" for at in OUTPUTS))
    for name in OF_G:
        own = slopes[name]
        print(f"{name:10}" + "".join(f"{value:10.4f}" for value in own["gradient"]))
        print(f"{'':10}below {FLAT} from {own['flat from']:.3f} to {own['flat to']:.3f}")
    plot_losses(options.out / "losses.png", *curves(-6, 8, 561))

    where, ds, ways, pulls = boundary(options.seed)
    print("\nGenerated points far on the real side, D fixed")
    for name in OF_G:
        own = pulls[name]
        print(
            f"{name:10} gradient of far over near {own['far over fake']:.4f}, distance from real "
            f"{own['far from real before']:.2f} -> {own['far from real after']:.2f}"
        )
    levels = {name: middle(loss) for name, loss in OF_D.items()}
    plot_boundary(options.out / "boundary.png", where.real, where.fake, ds, levels, ways)

    rows, errors = divergence(options.seed)
    of_eq3, more = jensen_shannon(distributions(options.seed))
    errors |= more
    print("\nLargest differences")
    for name, error in errors.items():
        print(f"{name:60} {error:.2e}")
    plot_divergence(options.out / "divergence.png", rows)

    result = {
        **provenance(__file__, arguments, precision="fp64"),
        "settings": {"seed": options.seed},
        "seconds": round(time.perf_counter() - began, 1),
        "gradients": slopes,
        "boundary": pulls,
        "divergence": {"errors": errors, "rows": rows, "Eq. 3": of_eq3},
    }
    write_json(options.out / "geometry.json", result)


if __name__ == "__main__":
    main()
