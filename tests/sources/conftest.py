import importlib.metadata

import pytest


@pytest.fixture(scope="session")
def kanjivg() -> None:
    """For tests that need KanjiVG's strokes."""
    try:
        importlib.metadata.distribution("kanjivg")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the extra demo (kanjivg) is not installed")
