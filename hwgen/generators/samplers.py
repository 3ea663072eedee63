"""What a loaded generator offers, whatever its kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.schema import check_numbers, check_seed

if TYPE_CHECKING:
    from torch import nn

    from hwgen.record import Image

Ids = npt.NDArray[np.int64]

Labels = str | Sequence[str] | npt.ArrayLike
"""What to sample: text, a character each; a list of labels; or class ids."""


class Sampler(Protocol):
    """A loaded generator: gives samples by class and index.

    Sample (seed, class, index) is always the same image, whatever the batch size.
    """

    @property
    def charset(self) -> Charset:
        """The classes, in the order of the class ids."""

    @property
    def classes(self) -> list[str]:
        """The labels of `charset` as a list."""

    @property
    def characters(self) -> Set[str]:
        """All labels that `sample` takes as text, which may be more than those of `charset`."""

    @property
    def size(self) -> int:
        """Width and height of the images, pixels."""

    @property
    def framing(self) -> Mapping[str, Any]:
        """How the images are scaled, see hwgen.store.origin.framing; {} if not known."""

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""

    @property
    def preset(self) -> str:
        """Preset or kind, for the manifest of a synthetic store."""

    @property
    def provenance(self) -> str:
        """Run and snapshot, for the source of every sample."""

    @property
    def data(self) -> tuple[str, ...]:
        """Content hashes of the stores that a sample may resemble too closely; () if unknown."""

    def sample(
        self,
        labels: Labels,
        indices: npt.ArrayLike | None = None,
        *,
        hand: int | None = None,
        seed: int = 0,
        batch: int = 512,
    ) -> Image:
        """Samples, which depend on seed, class, index and hand alone.

        Args:
            labels: N characters as text, N labels, or N class ids.
            indices: int [N], which sample of its class each is; None counts: the i-th 的 of a text
                is sample i of 的.
            hand: number of the hand that all samples are written in; None for any hands.
            seed: each seed gives other samples, and other hands.
            batch: images at a time.

        Returns:
            uint8 [N, S, S] or [N, S, S, 3], 255 is paper.

        Raises:
            CharsetError: lists the labels that the generator does not know.
            InputError: there is no such class id, or the generator has no hands.
        """

    def interpolate(
        self, labels: Labels, hands: tuple[int, int], *, steps: int = 8, seed: int = 0
    ) -> Image:
        """Samples that change from one hand to another.

        Args:
            labels: see `sample`.
            hands: numbers of the first and of the last hand.
            steps: number of hands, at least 2: the first, those between them, and the last.
            seed: of the hands.

        Returns:
            uint8 [steps, N, S, S] or [steps, N, S, S, 3], 255 is paper.

        Raises:
            CharsetError: lists the labels that the generator does not know.
            InputError: a generator of this kind has nothing between two hands.
        """


class SamplerBase:
    """What samplers of all kinds have in common.

    Attributes:
        title: the kind in messages.
        generates: whether samples have no pixels of real samples; deformed real samples have.
        framing: how the images are scaled, see hwgen.store.origin.framing.
    """

    title: str = "generator"
    generates: bool = False
    framing: Mapping[str, Any] = MappingProxyType({})
    charset: Charset
    size: int
    channels: int
    preset: str
    provenance: str

    @property
    def classes(self) -> list[str]:
        """The labels of `charset` as a list."""
        return list(self.charset)

    @property
    def characters(self) -> Set[str]:
        """See Sampler; kinds that make further labels override this."""
        return frozenset(self.charset)

    def __repr__(self) -> str:
        colours = "grey" if self.channels == 1 else "colour"
        origin = f", {self.provenance}" if self.provenance else ""
        return (
            f"{type(self).__name__}({self.preset}: {len(self.charset):,} classes, "
            f"{self.size}x{self.size} {colours}{origin})"
        )

    def interpolate(
        self, labels: Labels, hands: tuple[int, int], *, steps: int = 8, seed: int = 0
    ) -> Image:
        """See Sampler.interpolate; kinds with a space of hands override this."""
        raise InputError(
            f"a {self.title} has nothing between two hands", remedy="Interpolate with a GAN"
        )


def ids_and_indices(
    charset: Charset, labels: Labels, indices: npt.ArrayLike | None = None
) -> tuple[Ids, Ids]:
    """Class ids and indices of the samples that `Sampler.sample` is asked for, int64 [N] each.

    Raises:
        CharsetError: lists the labels that are not in the charset.
        InputError: there is no such class id, or their number is not that of the indices.
    """
    names = names_of(labels)
    ids = _checked(charset, labels) if names is None else np.array(_known(charset, names), np.int64)
    numbers = _occurrences(ids) if indices is None else np.atleast_1d(np.asarray(indices, np.int64))
    if numbers.shape != ids.shape:
        raise InputError(f"expected an index for each of {len(ids)} samples, found {len(numbers)}")
    return ids, numbers


def names_of(labels: Labels) -> list[str] | None:
    """The labels as a list; None for class ids."""
    if isinstance(labels, str):
        return list(labels)
    if isinstance(labels, Sequence) and labels and all(isinstance(one, str) for one in labels):
        return [str(one) for one in labels]
    return None


def check_hand(hand: int | None, seed: int = 0) -> None:
    """Refuse the number of a hand, or a seed, that is negative or not a number.

    Raises:
        InputError: it is.
    """
    check_seed(seed)
    if hand is None:
        return
    check_numbers(hand, "the hand")
    if not isinstance(hand, int | np.integer) or hand < 0:
        raise InputError(f"hand should be a number from 0, found {hand!r:.40}")


def _known(charset: Charset, names: Sequence[str]) -> list[int]:
    try:
        return charset.ids(names)
    except CharsetError as error:
        raise CharsetError(
            error.what,
            remedy=f"{error.remedy} (see .classes). Leave them out, train on a store that has "
            "them, or use a refiner, which makes any character that has strokes",
        ) from None


def _checked(charset: Charset, labels: Labels) -> Ids:
    given = np.atleast_1d(np.asarray(labels))
    if given.size and not np.issubdtype(given.dtype, np.integer):
        raise InputError(
            f"expected text, labels or class ids, found an array of {given.dtype}",
            remedy='Give text, such as "永和", or integers from 0',
        )
    if given.ndim != 1:
        raise InputError(f"expected class ids of shape [N], found shape {list(given.shape)}")
    ids = given.astype(np.int64)
    outside = ids[(ids < 0) | (ids >= len(charset))]
    if len(outside):
        raise InputError(
            f"class id {outside[0]} does not exist; the generator has {len(charset):,} classes",
            remedy=f"Give class ids from 0 to {len(charset) - 1}, see .classes",
        )
    return ids


def _occurrences(ids: Ids) -> Ids:
    """How often each class id occurred before: [4, 4, 2, 4] -> [0, 1, 0, 2]."""
    seen: Counter[int] = Counter()
    numbers = []
    for class_id in ids.tolist():
        numbers.append(seen[class_id])
        seen[class_id] += 1
    return np.array(numbers, np.int64)


@runtime_checkable
class WriterSampler(Sampler, Protocol):
    """A sampler whose samples are by simulated writers; the writers go into synthetic stores."""

    @property
    def origin(self) -> Mapping[str, Any]:
        """Settings that determine the samples besides the model, and the "notice" of what they
        are made from; plain JSON for the manifest of a synthetic store.
        """

    def writers(
        self, class_ids: npt.ArrayLike, indices: npt.ArrayLike, *, seed: int = 0
    ) -> Sequence[str]:
        """Name of the simulated writer of each sample."""


class NoiseSampler(Sampler, Protocol):
    """A sampler that makes images from noise and labels alone; it can be exported as ONNX."""

    @property
    def conditional(self) -> bool:
        """Whether the images depend on the label."""

    def sample_noise(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.float32]:
        """Noise float32 [count, z_dim]."""

    def from_noise(self, z: npt.NDArray[np.float32], class_ids: Ids, batch: int = 512) -> Image:
        """Images uint8 [N, S, S] or [N, S, S, 3] from noise [N, z_dim] and class ids [N]."""

    def image_network(self) -> nn.Module:
        """The same as a module: z, and label if conditional, as tensors to a tensor of images."""
