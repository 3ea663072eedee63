from tests.generators.gan.conftest import run

__all__ = ["run"]
