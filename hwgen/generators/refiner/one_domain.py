"""A run of one store that starts from one domain of a run of several.

G's input for the domain becomes part of the bias of its layer, and D's row for the domain part of
the bias of Φ. So the new networks begin as the old ones with that domain, and the new run is as any
other of one store.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from hwgen.errors import InputError
from hwgen.generators.adversarial.pretrained import OneDomain
from hwgen.generators.refiner.domains import find_domain
from hwgen.generators.refiner.generator import fold_label_map
from hwgen.generators.refiner.network import fold_style
from hwgen.generators.refiner.recipe import recipe_from_json
from hwgen.generators.refiner.sampling import KIND
from hwgen.runs import Run
from hwgen.runs.models import is_model
from hwgen.runs.training_data import domain_names


def domain_to_start_from(place: Path | None, asked: str | None, *, stores: int) -> OneDomain | None:
    """The domain of a run that another one starts from.

    Args:
        place: directory of the run; None for a new run that starts from scratch.
        asked: name of a domain, or its number from 1.
        stores: number of stores of the new run.

    Returns:
        None where there is nothing to choose, because both have as many stores.

    Raises:
        InputError: the new run has one store, that one has several, and no domain is asked for, or
            one that it does not have; a domain is asked for where there is nothing to choose; or
            both have other numbers of stores.
        RunError: the run is damaged.
    """
    if place is None:
        if asked is not None:
            raise InputError(
                f"domain {asked!r:.80} is given without a run to start from",
                remedy="Give --init-from RUN as well, or leave --domain out",
            )
        return None
    if is_model(place) or (run := Run(place)).kind != KIND:
        return None  # refused by find_pretrained
    recipe, where = recipe_from_json(run.recipe), str(place)
    count = recipe.generator.domains
    if count > 1 and stores == 1:
        if asked is None:
            raise InputError(
                f"was trained on {count} stores, and the new run has one",
                where=where,
                remedy=f"Choose the one to start from by --domain: {', '.join(domain_names(run))}",
            )
        number, name = find_domain(run, recipe, asked)
        return OneDomain(number, name, _recipe, lambda tensors: _fold(tensors, number, count))
    if asked is not None:
        raise InputError(
            "has no domain to choose, since the new run has as many stores"
            if count == stores
            else "has a domain to choose only for a new run of one store",
            where=where,
            remedy="Leave --domain out",
        )
    if count != stores:
        raise InputError(
            f"was trained on {count} store{'s' * (count > 1)}, and the new run has {stores}",
            where=where,
            remedy="Give as many stores"
            + (", or one store and --domain" if count > 1 else ": leave --also out"),
        )
    return None


def _recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    generator = {name: value for name, value in recipe["generator"].items() if name != "domains"}
    return {**recipe, "generator": generator}


def _fold(tensors: dict[str, Tensor], number: int, count: int) -> None:
    fold_style(tensors, "g.net.", number, count)
    fold_label_map(tensors, "d.label_map.", number, count)
