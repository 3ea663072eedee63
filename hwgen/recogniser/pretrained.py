"""Pretrained weights that a recogniser starts from, and what they were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hwgen.recogniser.built_in import recogniser_file
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import recipe_to_json
from hwgen.runs import Run
from hwgen.runs.training_data import INIT_FROM, stores_seen


def load_pretrained(path: Path, device: torch.device) -> Recogniser:
    """Load a recogniser to start from: one of hwgen benchmark, or the one of a run's D.

    The provenance of the latter is completed from the run: steps of its training, and its stores.

    Args:
        path: recogniser-*.safetensors, or recogniser.safetensors of a run directory, untrusted; or
            a name of hwgen.recogniser.built_in.
        device: where it runs.

    Raises:
        RunError: the file is missing, damaged, or not a recogniser; the run is damaged.
    """
    path = recogniser_file(path)
    found = Recogniser.load(path, device)
    if "decides" not in found.provenance and (path.parent / "run.json").is_file():
        stores = stores_seen(_data_of_first(Run(path.parent)))
        found.provenance["decides"] = {
            "recipe": recipe_to_json(found.recipe),
            "charset": found.charset.fingerprint,
            "data": {f"store {number}": one for number, one in enumerate(stores, 1)},
        }
    return found


def _data_of_first(run: Run) -> Mapping[str, Any]:
    """Data of the run that trained the recogniser: runs that start from another copy its own."""
    data: Mapping[str, Any] = run.data
    while isinstance(before := data.get(INIT_FROM), Mapping):
        given = before.get("data")
        data = given if isinstance(given, Mapping) else {}
    return data
