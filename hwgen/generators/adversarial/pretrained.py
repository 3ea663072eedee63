"""Pretrained weights of G and D: a run that starts from another one, which was trained before.

G starts from the moving average of the other run's last snapshot, D from its checkpoint, which
snapshots do not have. Rows of every Φ of G and of D are copied for the labels of both runs; other
labels get the mean row. Of several stores, the first is compared with the first, and so on, but a
run of one store may start from any of them.
Optimisers start from scratch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hwgen.charset import Charset
from hwgen.compute.tensor_files import file_hash, load_module, load_tensors
from hwgen.errors import InputError, RunError
from hwgen.generators.adversarial.d_recogniser import FILE as RECOGNISER
from hwgen.generators.adversarial.layers import LabelMap
from hwgen.generators.adversarial.recipe import AdversarialRecipe, recipe_to_json
from hwgen.runs import Run
from hwgen.runs.checkpoints import read_step
from hwgen.runs.models import is_model
from hwgen.runs.training_data import INIT_FROM, charsets
from hwgen.schema import differences

_NETWORK_FIELDS = ("size", "channels", "pixels", "conditional", "generator", "discriminator")
"""Fields of a recipe that must be those of the other run."""


@dataclass(frozen=True)
class OneDomain:
    """One store of a run of several, from which a run of one store starts.

    Attributes:
        number: of the store in that run, from 0.
        name: of it.
        recipe: that run's recipe, plain JSON, to that of a run of this store alone.
        fold: turns weights of G or D, by name, into those of a run of this store alone, in place.
    """

    number: int
    name: str
    recipe: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    fold: Callable[[dict[str, Tensor]], None]


@dataclass(frozen=True)
class Pretrained:
    """A run whose weights another run starts from.

    Attributes:
        run: that was trained before.
        snapshot: file of its last snapshot, whose step is that of its checkpoint.
        domain: to start from; None for all.
    """

    run: Run
    snapshot: Path
    domain: OneDomain | None = None

    @property
    def data(self) -> dict[str, Any]:
        """What the new run records of it, for its `data`."""
        facts = {
            "run": self.run.id,
            "snapshot": file_hash(self.snapshot),
            "images": int(self.snapshot.stem),
            "data": self.run.data,
            **({"domain": self.domain.name} if self.domain else {}),
        }
        return {INIT_FROM: facts}

    def copy_to(self, g: nn.Module, d: nn.Module, classes: Iterable[Charset]) -> None:
        """Copy the weights into new networks.

        Args:
            g: G of the new run.
            d: D of it.
            classes: those of each store of the new run, in the order of the rows of Φ.

        Raises:
            RunError: a file is damaged, or does not fit the networks.
        """
        rows = {name: row for row, name in enumerate(_class_names(charsets(self.run)))}
        first = self.domain.number if self.domain else 0
        places = torch.tensor([rows.get(name, -1) for name in _class_names(classes, first)])
        for prefix, network, file in (("g", g, self.snapshot), ("d", d, self.run.checkpoint)):
            tensors, _ = load_tensors(file, f"{prefix}.")
            if self.domain:
                self.domain.fold(tensors)
            for name, part in network.named_modules():
                if isinstance(part, LabelMap):
                    _choose_rows(tensors, f"{prefix}.{name}.", places, len(rows), file)
            load_module(prefix, network, tensors, file)


def find_pretrained(
    place: Path,
    recipe: AdversarialRecipe,
    *,
    kind: str,
    completed: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    domain: OneDomain | None = None,
) -> Pretrained:
    """The run at a path, if a run with this recipe can start from it.

    Args:
        place: directory of the other run.
        recipe: of the new run.
        kind: see AdversarialKind, as for what follows.
        completed: likewise.
        domain: likewise.

    Raises:
        RunError: no run is there, or it is damaged, an exported model, or not finished.
        InputError: it is of another kind, or its networks are others; the differences are listed.
    """
    if is_model(place):
        raise RunError(
            "is an exported model, which has no discriminator to start from",
            where=str(place),
            remedy="Give the run directory that it was exported from",
        )
    run = Run(place)
    if run.kind != kind:
        raise InputError(
            f"is a run of kind {run.kind!r:.40}, expected {kind!r}",
            where=str(place),
            remedy="Give a run of the same kind, or another --preset",
        )
    theirs, ours = completed(run.recipe), recipe_to_json(recipe)
    there = domain.recipe(theirs) if domain else theirs
    lines = differences(*map(_networks, (there, ours)))
    if lines:
        raise InputError(
            "its networks differ from those of the new run (there -> here)",
            where=str(place),
            details=lines,
            remedy="Give the preset and the --set of that run",
        )
    if recipe.discriminator.recogniser_steps and not (run.path / RECOGNISER).is_file():
        raise RunError(
            f"has no {RECOGNISER}, the recogniser through which its D sees",
            where=str(place),
            remedy="Restore the file from where the run was made",
        )
    snapshot = run.weights(read_step(run.checkpoint, run.id) * int(theirs["batch"]))
    if not snapshot.is_file():
        raise RunError(
            "is not finished: there is no snapshot of its last checkpoint"
            if run.checkpoint.is_file()
            else "has no checkpoint, which has the discriminator",
            where=str(place),
            remedy="Rerun its hwgen train to finish it",
        )
    return Pretrained(run, snapshot, domain)


def _networks(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal of two recipes; D's recogniser is copied, however long it was trained."""
    fields = {name: recipe[name] for name in _NETWORK_FIELDS}
    d = fields["discriminator"]
    return {**fields, "discriminator": {**d, "recogniser_steps": d["recogniser_steps"] > 0}}


def _class_names(classes: Iterable[Charset], first: int = 0) -> list[tuple[int, str]]:
    """Number of the store, from `first`, and label, of every class."""
    return [(number, label) for number, charset in enumerate(classes, first) for label in charset]


def _choose_rows(
    tensors: dict[str, Tensor], prefix: str, places: Tensor, count: int, where: Path
) -> None:
    """Replace the rows of one Φ, in place.

    Args:
        tensors: of its network.
        prefix: of its tensors in them.
        places: the row of each new one, int64 [n]; -1 for the mean.
        count: expected number of rows.
        where: the file, for errors.

    Raises:
        RunError: another number of rows.
    """
    for name, tensor in tensors.items():
        # Spectral norm keeps a vector with a number for each row, too.
        if name.startswith(prefix) and (tensor.ndim == 2 or name.endswith("._u")):
            if len(tensor) != count:
                raise RunError(
                    f"does not fit its charset: {name:.80} has {len(tensor)} rows for {count} "
                    "classes",
                    where=str(where),
                )
            extended = torch.cat([tensor, tensor.mean(dim=0, keepdim=True)])
            tensors[name] = extended[places]
