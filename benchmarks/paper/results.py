"""Files of an experiment: fixed settings, a JSON row per training, and the result."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.provenance import provenance
from hwgen.io.json_files import write_json


def begin(out: Path, settings: Mapping[str, Any]) -> None:
    """Make OUT/rows, OUT/samples and OUT/settings.json; exit if other settings are there already.

    Args:
        out: folder of the experiment.
        settings: plain JSON; rows of different settings are not mixed.
    """
    file = out / "settings.json"
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != settings:
        sys.exit(f"{out} was started with other settings; choose another --out")
    for folder in ("rows", "samples"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    write_json(file, settings)


def read_rows(files: Iterable[Path]) -> list[dict[str, Any]]:
    """The rows that exist, in the order of the files."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()]


def write_result(
    file: Path,
    result: Mapping[str, Any],
    tables: str,
    *,
    script: str,
    arguments: Sequence[str] | None,
    device: torch.device,
    precision: str = "fp32",
) -> None:
    """Write a result with its provenance and tables.md beside it, and print the tables.

    Args:
        file: JSON file.
        result: plain JSON.
        tables: Markdown.
        script: `__file__` of the experiment.
        arguments: of the script; None takes those of the process.
        device: where the experiment ran.
        precision: of its training.
    """
    origin = provenance(script, arguments, device=device, precision=precision)
    write_json(file, {**origin, **result})
    file.with_name("tables.md").write_text(tables, encoding="utf-8")
    print(tables)


def add_changes(parser: argparse.ArgumentParser) -> None:
    """Add the option --set."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of the recipe; may be repeated",
    )


def changes_of(options: argparse.Namespace) -> dict[str, str]:
    """Field -> value, from --set."""
    return dict(change.split("=", 1) for change in options.set)
