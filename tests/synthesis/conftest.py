import pytest

from tests.generators.gan.conftest import run, sampler, unconditional

__all__ = ["run", "sampler", "unconditional"]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Toy networks are fastest, and bit-exact, on one thread."""
