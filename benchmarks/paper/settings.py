"""In: what decides an experiment's rows. Out: its folder, begun, or gone on with as it began."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwgen.io.json_files import write_json


def begin(out: Path, settings: Mapping[str, Any]) -> None:
    """Make OUT/rows, OUT/samples and OUT/settings.json; leave where other settings began it.

    Args:
        out: of the experiment.
        settings: plain JSON; rows of different settings are not mixed.
    """
    file = out / "settings.json"
    if file.exists() and json.loads(file.read_text(encoding="utf-8")) != settings:
        sys.exit(f"{out} was begun with other settings; give another --out")
    for folder in ("rows", "samples"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    write_json(file, settings)
