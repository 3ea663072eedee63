"""What a loaded generator offers, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import nn

    from hwgen.charset import Charset
    from hwgen.record import Image

Ids = npt.NDArray[np.int64]


class Sampler(Protocol):
    """A loaded generator: gives samples by class and index.

    Sample (seed, class, index) is always the same image, whatever the batch size.
    """

    @property
    def charset(self) -> Charset:
        """The classes, in the order of the class ids."""

    @property
    def size(self) -> int:
        """Width and height of the images, pixels."""

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
        self, class_ids: npt.ArrayLike, indices: npt.ArrayLike, *, seed: int = 0, batch: int = 512
    ) -> Image:
        """Samples uint8 [N, S, S] or [N, S, S, 3] for class ids [N] and indices [N]."""


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
