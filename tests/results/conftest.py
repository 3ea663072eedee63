import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.report.conftest import benchmark_value


@pytest.fixture
def make_benchmark(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "bench", **changes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        value = {**benchmark_value(), **changes}
        (folder / "benchmark.json").write_text(json.dumps(value), encoding="utf-8")
        return folder

    return make
