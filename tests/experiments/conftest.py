"""Stores and a recogniser to experiment with."""

from collections.abc import Callable

import pytest

from hwgen.store import Store
from tests.recogniser.conftest import make_store, toy

__all__ = ["make_store", "toy"]
MakeStore = Callable[..., Store]


@pytest.fixture
def real(make_store: MakeStore) -> tuple[Store, Store]:
    return make_store("train"), make_store("test", seed=5, writers=("w3",))


@pytest.fixture
def synthetic(make_store: MakeStore) -> Store:
    return make_store("synthetic", seed=7, size=32, kind="synthetic", writers=("",), per_class=4)
