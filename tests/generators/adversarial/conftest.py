import pytest


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy nets are quickest, and equal bit by bit, on one thread."""
