"""In: a model and folders of results. Out: what was measured of that very model; all else refused.

An evaluation names the weights that its samples were drawn from. A lift is of a generator that had
learnt before, which it names too; or of generators that learnt in it, by the model's recipe.
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
    """What was measured of a model.

    Attributes:
        files: the results.
        evaluations: of samples of it.
        lifts: of samples of it, or of its recipe.
    """

    files: tuple[Path, ...]
    evaluations: tuple[Evaluation, ...]
    lifts: tuple[Lift, ...]


def read_model_results(model: Model, folders: Sequence[Path]) -> ModelResults:
    """What folders of `hwgen evaluate` and `hwgen lift` tell of a model.

    Raises:
        InputError: one holds no such result, or one of another model.
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
        f"has neither {Evaluation.NAME} nor {Lift.NAME}",
        where=str(folder),
        remedy="Give a folder of hwgen evaluate or of hwgen lift",
    )


def _check_evaluation(model: Model, evaluation: Evaluation) -> None:
    told = evaluation.stores["synthetic"].provenance
    # Samples of a kind that changes images also name the store of the images.
    if f"{told} ".startswith(f"{model.provenance} "):
        return
    found = f"is of samples of {told!r:.100}" if told else "does not tell whose samples it judged"
    raise InputError(
        f"{found}; exported is {model.provenance!r}",
        where=str(evaluation.folder),
        remedy="Draw samples with hwgen synthesize and the same --snapshot, and judge them with "
        "hwgen evaluate",
    )


def _check_lift(model: Model, lift: Lift) -> None:
    generator = lift.generator
    if "run" in generator:
        if generator["run"] == model.run and model.snapshot_hash in generator.get("weights", ()):
            return
        found = f"run {generator['run']!r:.40}"
    elif generator.get("kind") != model.kind:
        found = f"kind {generator.get('kind')!r:.40}"
    else:
        theirs, ours = (_completed(model.kind, r) for r in (generator.get("recipe"), model.recipe))
        lines = differences(theirs, ours)
        if not lines:
            return
        found = "another recipe (there -> exported):\n  " + "\n  ".join(lines) + "\n"
    raise InputError(
        f"is of a generator of {found}; exported is {model.provenance!r} of kind {model.kind!r}",
        where=str(lift.folder),
        remedy="Give a lift whose generator learnt by this model's recipe, or is this model",
    )


def _completed(kind: str, recipe: Any) -> Mapping[str, Any]:
    """A recipe with the fields that were added since it was written."""
    known = get_kind(kind)
    plain: dict[str, Any] = known.recipe_to_json(known.recipe_from_json(recipe))
    return plain
