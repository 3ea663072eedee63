"""Choice of a snapshot: the last one, the best one, or one by number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwgen.errors import InputError, RunError
from hwgen.runs.models import Model, is_model, model_of_run, read_model
from hwgen.runs.run_directory import Run


def find_snapshot(run: Run, snapshot: str) -> Path:
    """The file of "last", "best", or of a number of images.

    Raises:
        RunError: no such snapshot; those that exist are listed.
    """
    snapshots = run.snapshots()
    if not snapshots:
        raise RunError(
            "has no snapshot yet", where=str(run.path), remedy="Rerun hwgen train to resume it"
        )
    if snapshot == "last":
        return snapshots[-1]
    if snapshot == "best":
        scores = best_scores(run)
        if not scores:
            raise RunError(
                "no snapshot was scored",
                where=str(run.path),
                remedy="Train with --recogniser to score them, or choose last or a number",
            )
        return run.weights(max(scores, key=lambda images: scores[images]))
    numbers = {str(int(path.stem)): path for path in snapshots}
    if snapshot.isdecimal() and (number := snapshot.lstrip("0") or "0") in numbers:
        return numbers[number]
    names = ", ".join(numbers)
    raise RunError(
        f"has no snapshot {snapshot!r}",
        where=str(run.path),
        remedy=f"Choose last, best, or one of {names}",
    )


def find_model(place: Run | Path | str, snapshot: str) -> Model:
    """The weights of a run, or those in an exported model folder.

    Args:
        place: a run, its directory, or a model folder.
        snapshot: see `find_snapshot`; a model folder has only the "last".

    Raises:
        RunError: neither is there, it is damaged, or has no such snapshot.
        InputError: another snapshot of a model folder was asked for.
    """
    if not isinstance(place, Run):
        place = Path(place)
        if is_model(place):
            if snapshot != "last":
                raise InputError(
                    f"is an exported model, which has no snapshot {snapshot!r} but its only one",
                    where=str(place),
                    remedy="Leave out --snapshot, or give the run",
                )
            return read_model(place)
        place = Run(place)
    return model_of_run(place, find_snapshot(place, snapshot))


def best_scores(run: Run) -> dict[int, float]:
    """Images seen -> `task_score` of every scored snapshot that exists.

    Only scores of the recogniser that scored last are compared.
    """
    scored = [entry for entry in run.read_log() if _is_scored(entry)]
    reader = scored[-1].get("recogniser") if scored else None
    return {
        entry["images"]: task_score(entry)
        for entry in scored
        if entry.get("recogniser") == reader and run.weights(entry["images"]).is_file()
    }


def _is_scored(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of an untrusted log has what `task_score` needs."""
    values = (entry.get("purity"), entry.get("diversity"), entry.get("frechet_share", 0.0))
    return all(isinstance(value, float | int) and value >= 0 for value in values)


def task_score(found: Mapping[str, Any]) -> float:
    """Score of a snapshot: purity x min(1, diversity) / (1 + frechet_share).

    Each factor is at most 1, and 1 for samples like the real ones. Variety above the real one does
    not count, since it comes from noise.

    Args:
        found: of one snapshot: "purity", fraction of the samples read as their label; "diversity",
            their variety within a class, relative to the real one; "frechet_share", Fréchet
            distance between the recogniser's features of samples and of real images, relative to
            the spread of the real ones (0 if absent, as in logs of older versions).
    """
    score: float = found["purity"] * min(1.0, found["diversity"])
    return score / (1 + found.get("frechet_share", 0.0))
