"""Training of a GAN: a store and a recipe to a run directory."""

from __future__ import annotations

from pathlib import Path

from hwgen.compute.distributed import ALONE, Ranks
from hwgen.generators.adversarial import training
from hwgen.generators.adversarial.interface import AdversarialKind
from hwgen.generators.adversarial.sample_monitor import Score
from hwgen.generators.adversarial.snapshot_writer import OnCollapse
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import PRESETS, Recipe, completed
from hwgen.generators.gan.sampling import Sampler
from hwgen.progress import NO_CONTROL, Control
from hwgen.runs import Run
from hwgen.store import Store

GAN = AdversarialKind(
    name="gan", presets=PRESETS, completed=completed, build=build, sampler=Sampler
)
"""Conditional and unconditional GANs, as their training sees them."""


def train(
    store: Store,
    out: Path,
    recipe: Recipe,
    *,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    score: Score | None = None,
    on_collapse: OnCollapse = "stop",
    control: Control = NO_CONTROL,
    ranks: Ranks = ALONE,
    cuda_graphs: bool = False,
    init_from: Path | None = None,
) -> Run:
    """Train a recipe on a store, or resume the run that the same call began.

    Arguments and errors are those of hwgen.generators.adversarial.training.train.
    """
    return training.train(
        GAN,
        store,
        out,
        recipe,
        seed=seed,
        device=device,
        precision=precision,
        score=score,
        on_collapse=on_collapse,
        control=control,
        ranks=ranks,
        cuda_graphs=cuda_graphs,
        init_from=init_from,
    )
