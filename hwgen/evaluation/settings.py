"""Settings and stores of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.errors import InputError
from hwgen.recogniser.network import RecogniserRecipe
from hwgen.recogniser.reader import Reader
from hwgen.schema import check_numbers, check_seed
from hwgen.store import Store

SAMPLES = 10_000
"""Default of the maximum number of matched samples per set."""

EPOCHS = 5.0
"""Default training epochs of a recogniser that is trained here."""


@dataclass(frozen=True)
class Settings:
    """Settings of an evaluation.

    Attributes:
        recipe: of recognisers that are trained here.
        samples: maximum number of matched samples per set, see hwgen.evaluation.set_statistics.
        seed: of the choice of samples and of recognisers that are trained here.
        train_on_synthetic: whether to train a recogniser on the synthetic store alone and one on
            the real store, and to compare their accuracy on real test samples.
        precision: of their training: "auto", "bf16" or "fp32".

    Raises:
        InputError: a number is out of range.
    """

    recipe: RecogniserRecipe
    samples: int = SAMPLES
    seed: int = 0
    train_on_synthetic: bool = False
    precision: str = "auto"

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_numbers(self.samples, "the number of samples")
        if self.samples < 1:
            raise InputError(f"the number of samples should be at least 1, found {self.samples}")


@dataclass(frozen=True)
class Stores:
    """The stores of an evaluation.

    Attributes:
        synthetic: the evaluated one; it may be real, to see which figures real samples get.
        real: training store of the generator.
        real_test: other real samples, the reference; None splits `real` into two halves.
    """

    synthetic: Store
    real: Store
    real_test: Store | None

    def size_for(self, reader: Reader) -> int:
        """Size at which their images are compared, pixels."""
        given = (self.synthetic, self.real, self.real_test)
        return reader.size_for(*(store.size for store in given if store is not None))
