from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import pytest

from benchmarks.throughput import batches, gan_step, growth, prepare, synthesize, timing

MODULES = (batches, gan_step, growth, prepare, synthesize, timing)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Throughput benchmarks in this process, without measuring the hardware: seconds, not minutes.

    `apart` is tested in test_throughput_timing.py.
    """

    @contextmanager
    def here(
        ways: Mapping[str, Callable[..., object]], *arguments: object
    ) -> Iterator[dict[str, Callable[[], object]]]:
        yield {name: partial(way, *arguments) for name, way in ways.items()}

    stand_ins = {
        "apart": here,
        "matmul_rate": lambda *_: 1e9,
        "copy_rate": lambda *_: 1e9,
        "WRITTEN_BYTES": 1 << 20,
    }
    for module in MODULES:
        for name, stand_in in stand_ins.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, stand_in)
