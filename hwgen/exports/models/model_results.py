"""Evaluations and lifts of a model, read from directories; results of other models are refused.

An evaluation names the weights that made its samples. A lift names the pretrained generator that it
used; or it trained generators itself, with the recipe of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwgen.errors import InputError
from hwgen.generators.base import get_kind
from hwgen.results.evaluation import Evaluation
from hwgen.results.lift import Lift
from hwgen.runs.models import Model
from hwgen.schema import differences


@dataclass(frozen=True)
class ModelResults:
    """Results of a model.

    Attributes:
        files: of the results.
        evaluations: of samples of the model.
        lifts: with samples of the model, or of generators trained with its recipe.
    """

    files: tuple[Path, ...]
    evaluations: tuple[Evaluation, ...]
    lifts: tuple[Lift, ...]


def read_model_results(model: Model, folders: Sequence[Path]) -> ModelResults:
    """Read the results of a model from directories of `hwgen evaluate` and `hwgen lift`.

    Raises:
        InputError: a directory holds no such result, or one of another model.
    """
    files = tuple(map(_result, folders))
    evaluations = tuple(Evaluation.load(file) for file in files if file.name == Evaluation.NAME)
    lifts = tuple(Lift.load(file) for file in files if file.name == Lift.NAME)
    for evaluation in evaluations:
        _check_evaluation(model, evaluation)
    for lift in lifts:
        _check_lift(model, lift)
    return ModelResults(files, evaluations, lifts)


def _result(folder: Path) -> Path:
    for name in (Evaluation.NAME, Lift.NAME):
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"contains neither {Evaluation.NAME} nor {Lift.NAME}",
        where=str(folder),
        remedy="Give an output directory of hwgen evaluate or hwgen lift",
    )


def _check_evaluation(model: Model, evaluation: Evaluation) -> None:
    provenance = evaluation.stores["synthetic"].provenance
    # Samples of a kind that changes images also name the store of the images.
    if f"{provenance} ".startswith(f"{model.provenance} "):
        return
    found = f"evaluates samples of {provenance!r:.100}" if provenance else "does not name a model"
    raise InputError(
        f"{found}, but the exported model is {model.provenance!r}",
        where=str(evaluation.folder),
        remedy="Make samples with hwgen synthesize and the same --snapshot, and evaluate them with "
        "hwgen evaluate",
    )


def _check_lift(model: Model, lift: Lift) -> None:
    refusals = [_refusal(model, lift, settings) for settings in lift.generator_settings]
    if refusals[0] is not None and None not in refusals:
        raise refusals[0]


def _refusal(model: Model, lift: Lift, generator: Mapping[str, Any]) -> InputError | None:
    """Why one of a lift's generators is not the model's; None if it is."""
    lines: list[str] = []
    if "run" in generator:
        runs = generator["run"] if isinstance(generator["run"], list) else [generator["run"]]
        if model.run in runs and model.snapshot_hash in generator.get("weights", ()):
            return None
        found = f"run {generator['run']!r:.40}"
    elif generator.get("kind") != model.kind:
        found = f"kind {generator.get('kind')!r:.40}"
    else:
        theirs, ours = (_completed(model.kind, r) for r in (generator.get("recipe"), model.recipe))
        lines = differences(theirs, ours)
        if not lines:
            return None
        found = "another recipe (of the lift -> of the model)"
    return InputError(
        f"the exported model is {model.provenance!r} of kind {model.kind!r}, but the lift uses a "
        f"generator of {found}",
        where=str(lift.folder),
        remedy="Give a lift with this model, or one that trained generators with its recipe",
        details=lines,
    )


def _completed(kind: str, recipe: Any) -> Mapping[str, Any]:
    """A recipe, with defaults for fields that were added after it was written."""
    known = get_kind(kind)
    plain: dict[str, Any] = known.recipe_to_json(known.recipe_from_json(recipe))
    return plain
