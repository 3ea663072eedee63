from tests.recogniser.conftest import make_store, toy

__all__ = ["make_store", "toy"]
