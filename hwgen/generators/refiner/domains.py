"""The stores that a refiner is trained on, each a domain, and their classes.

A class is one of one domain: the same character in two stores has two rows of D's Φ. G sees no
label, but the domain. So domains need not share characters; what they share makes it easier to tell
how the domains differ from how their characters do.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hwgen.charset import Charset
from hwgen.errors import InputError
from hwgen.generators.refiner.classes import Classes, Ids, classes_of
from hwgen.generators.refiner.recipe import RefinerRecipe
from hwgen.runs import Run
from hwgen.runs.models import Model
from hwgen.runs.training_data import domain_names
from hwgen.store import Store


@dataclass(frozen=True)
class Rows:
    """What belongs to each class of all domains, one domain after the other.

    Attributes:
        images: row of the class's simulated images, int64 [classes].
        domains: its domain, int64 [classes].
    """

    images: Tensor
    domains: Tensor

    def to(self, device: torch.device) -> Rows:
        """The same on a device."""
        return Rows(self.images.to(device), self.domains.to(device))


@dataclass(frozen=True)
class Domains:
    """The stores that a refiner is trained on.

    Attributes:
        stores: the first is the one that samples are for.
        classes: of each store, by their use. A character that is held out in the first store is
            held out in all.
    """

    stores: tuple[Store, ...]
    classes: tuple[Classes, ...]

    def records(self, store: Store) -> Ids:
        """Numbers of the records of one of the stores that are trained on."""
        return np.flatnonzero(np.isin(store.labels, self._of(store).trained))

    @property
    def charset(self) -> Charset:
        """The labels of all stores, each once."""
        return Charset(tuple(dict.fromkeys(label for one in self.stores for label in one.charset)))

    @property
    def trained(self) -> Ids:
        """Class ids in `charset` of those that are trained on, ascending."""
        pairs = zip(self.stores, self.classes, strict=True)
        labels = {store.charset[n] for store, classes in pairs for n in classes.trained.tolist()}
        return np.sort(np.array(self.charset.ids(sorted(labels)), np.int64))

    @property
    def rows(self) -> Rows | None:
        """Where the classes are; None for one store, whose classes are the rows."""
        if len(self.stores) == 1:
            return None
        charset, counts = self.charset, [len(store.charset) for store in self.stores]
        labels = [label for store in self.stores for label in store.charset]
        return Rows(
            torch.tensor(charset.ids(labels)),
            torch.from_numpy(np.repeat(np.arange(len(counts)), counts)),
        )

    def labels(self) -> dict[str, list[str]]:
        """The labels that are not trained on in any store, for a run's log; see Classes.labels."""
        charset = self.charset
        trained = {charset[number] for number in self.trained.tolist()}
        found: dict[str, dict[str, None]] = {}
        for store, classes in zip(self.stores, self.classes, strict=True):
            for name, labels in classes.labels(store.charset).items():
                found.setdefault(name, {}).update(
                    (label, None) for label in labels if label not in trained
                )
        return {name: list(labels) for name, labels in found.items()}

    def in_words(self) -> list[tuple[str, str]]:
        """Names and figures, to print."""
        lines = self.classes[0].in_words(self.stores[0])
        for store, classes in zip(self.stores[1:], self.classes[1:], strict=True):
            name, shared = store.path.name, len(self._shared(store))
            lines += [
                (f"{what} ({name})", figure)
                for what, figure in classes.in_words(store)
                if "held out" not in what
            ]
            lines.append((f"classes of the first store in {name}", f"{shared:,}"))
        return lines

    def warnings(self) -> list[str]:
        """What to tell a user before training."""
        pairs = zip(self.stores, self.classes, strict=True)
        left_out = [
            text if len(self.stores) == 1 else f"{store.path.name}: {text}"
            for store, classes in pairs
            if (text := classes.warning(store))
        ]
        apart = [
            f"{store.path.name} has no character of the first store that is trained on, so that "
            "how the stores differ cannot be told from how their characters do"
            for store in self.stores[1:]
            if not self._shared(store)
        ]
        return left_out + apart

    def _shared(self, store: Store) -> set[str]:
        """Labels that are trained on in the first store and in another one."""
        first, other = (
            {one.charset[n] for n in self._of(one).trained.tolist()}
            for one in (self.stores[0], store)
        )
        return first & other

    def _of(self, store: Store) -> Classes:
        return next(
            classes for one, classes in zip(self.stores, self.classes, strict=True) if one is store
        )


def domains_of(
    stores: Sequence[Store], recipe: RefinerRecipe, known: Set[str], *, few: bool
) -> Domains:
    """The stores with their classes by use.

    Args:
        stores: at least one.
        recipe: its fraction `held_out` is of the first store.
        known: characters that have strokes.
        few: see `classes_of`; so it is where there are several stores.

    Raises:
        InputError: see `classes_of`; or another store has no class to train on.
    """
    first = classes_of(stores[0], recipe, known, few=few or len(stores) > 1)
    held_out = {stores[0].charset[number] for number in first.held_out.tolist()}
    classes = [first]
    for store in stores[1:]:
        filled = np.flatnonzero(store.manifest.class_counts)
        written = np.array([label in known for label in store.charset], bool)
        out = np.array([label in held_out for label in store.charset], bool)
        trained = filled[(written & ~out)[filled]]
        if not len(trained):
            raise InputError(
                f"none of the {len(filled)} classes with records has strokes and is not held out",
                where=str(store.path),
                remedy="Give --strokes of these characters, or leave the store out",
            )
        classes.append(Classes(trained, filled[(written & out)[filled]], filled[~written[filled]]))
    return Domains(tuple(stores), tuple(classes))


def for_domains(recipe: RefinerRecipe, count: int) -> RefinerRecipe:
    """The recipe for so many stores.

    Raises:
        InputError: there are too many.
    """
    return replace(recipe, generator=replace(recipe.generator, domains=count))


def find_domain(trained: Run | Model, recipe: RefinerRecipe, asked: str | None) -> tuple[int, str]:
    """Number, from 0, and name of a domain.

    Args:
        trained: a run or a model.
        recipe: of it.
        asked: a name, or a number from 1; None for the first domain.

    Returns:
        The name is "" where there is one domain.

    Raises:
        InputError: there is no such domain; those that exist are listed.
    """
    names = domain_names(trained)
    if len(names) != recipe.generator.domains:  # a damaged run; the network decides
        names = [str(number) for number in range(1, recipe.generator.domains + 1)]
    if len(names) == 1 and asked is None:
        return 0, ""
    if len(names) == 1:
        raise InputError(
            "was trained on one store, so that there are no domains to choose from",
            where=f"run {trained.id}",
            remedy="Leave --domain out",
        )
    numbers = {str(number): number - 1 for number in range(1, len(names) + 1)}
    place = 0 if asked is None else (numbers | {n: k for k, n in enumerate(names)}).get(asked)
    if place is None:
        raise InputError(
            f"was not trained on a store {asked!r:.80}",
            where=f"run {trained.id}",
            remedy=f"Choose one of {', '.join(names)}, or a number from 1 to {len(names)}",
        )
    return place, names[place]
