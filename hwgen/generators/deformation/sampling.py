"""Sampling from a deformation model: deformed records of a store.

Which record a sample is and how it is deformed is a function of (seed, class, index) alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hwgen.compute.devices import pick_device
from hwgen.compute.tensor_files import load_network
from hwgen.data import average_down, to_float, to_images, to_tensor, to_uint8
from hwgen.errors import InputError, RunError
from hwgen.generators.deformation.network import DeformationNet, deform
from hwgen.generators.deformation.recipe import INK, KIND, recipe_from_json
from hwgen.generators.samplers import Labels, SamplerBase, ids_and_indices
from hwgen.record import Image, check_channels
from hwgen.runs import Run
from hwgen.runs.models import Model
from hwgen.runs.snapshots import find_model
from hwgen.store import Store

Ids = npt.NDArray[np.int64]


class DeformationSampler(SamplerBase):
    """A trained deformation model with the samples that it deforms.

    Args:
        net: trained.
        store: grey images of at least the recipe's size; its classes may differ from those that the
            model was trained on.
        device: to sample on.
        provenance: run, snapshot and store, for the source of every sample.

    Raises:
        InputError: the store is in colour, too small, or a class of it has no record.
    """

    title = "deformation model"

    def __init__(
        self, net: DeformationNet, store: Store, device: torch.device, provenance: str = ""
    ) -> None:
        check_channels(store.channels, 1, str(store.path))
        if store.size < net.recipe.size:
            raise InputError(
                f"expected images of at least {net.recipe.size} pixels, found {store.size}",
                where=str(store.path),
                remedy=f"Prepare the store with --size {net.recipe.size} or more",
            )
        empty = store.manifest.class_counts.count(0)
        if empty:
            raise InputError(
                f"{empty} of the {len(store.charset)} classes have no record to deform",
                where=str(store.path),
                remedy="Prepare the store with --drop-empty",
            )
        self._net, self._store, self._device = net.to(device).eval(), store, device
        self._by_class = np.split(
            np.argsort(store.labels, kind="stable"), np.cumsum(store.manifest.class_counts)[:-1]
        )
        self.charset, self.size, self.channels = store.charset, store.size, store.channels
        self.preset = KIND
        self.provenance, self.data = provenance, (store.manifest.content_sha256,)

    @classmethod
    def load(cls, run: Run | Path | str, store: Store, device: str = "auto") -> DeformationSampler:
        """Load a finished run's model, or an exported one, to deform the samples of a store.

        Raises:
            RunError: no such run, or one that is of another kind, not finished, or damaged.
            InputError: its recipe is invalid; or see DeformationSampler.
        """
        return cls.of_model(find_model(run, "last"), store, device)

    @classmethod
    def of_model(cls, model: Model, store: Store, device: str = "auto") -> DeformationSampler:
        """The model of a snapshot, or an exported one, with a store to deform.

        Raises:
            RunError: the weights do not fit the recipe, or are not those of a deformation model.
            InputError: the recipe is invalid; or see DeformationSampler.
        """
        if model.kind != KIND:
            raise RunError(
                f"is of kind {model.kind!r:.40}, expected a deformation model",
                where=str(model.weights),
            )
        recipe = recipe_from_json(model.recipe)
        net = load_network(model.weights, "net", lambda: DeformationNet(recipe))
        net.requires_grad_(False)
        provenance = f"{model.provenance} of {store.manifest.content_sha256[:16]}"
        return cls(net, store, pick_device(device), provenance)

    def sample(
        self,
        labels: Labels,
        indices: npt.ArrayLike | None = None,
        *,
        hand: int | None = None,
        seed: int = 0,
        batch: int = 512,
    ) -> Image:
        """See hwgen.generators.samplers.Sampler.sample; images have the store's size.

        All records of a class are deformed equally often, in an order given by the seed.

        Raises:
            InputError: a hand is given.
        """
        if hand is not None:
            raise InputError(
                "a deformation model has no hands: it deforms the records of a store",
                remedy="Leave out hand, or sample from a GAN or a refiner",
            )
        ids, numbers = ids_and_indices(self.charset, labels, indices)
        z = np.empty((len(ids), self._net.recipe.z_dim), np.float32)
        records = np.empty(len(ids), np.int64)
        for class_id in np.unique(ids).tolist():
            places = np.flatnonzero(ids == class_id)
            rng = np.random.default_rng((seed, class_id))
            own = rng.permutation(self._by_class[class_id])
            records[places] = own[numbers[places] % len(own)]
            count = int(numbers[places].max()) + 1
            z[places] = rng.standard_normal((count, z.shape[1]), np.float32)[numbers[places]]
        return np.concatenate(
            [
                np.empty((0, self.size, self.size), np.uint8),
                *(
                    self._deform(records[start : start + batch], z[start : start + batch])
                    for start in range(0, len(ids), batch)
                ),
            ]
        )

    @torch.no_grad()
    def _deform(self, records: Ids, z: npt.NDArray[np.float32]) -> Image:
        images = to_tensor(self._store.images(records), self._device)
        looked_at = to_float(average_down(images, self._net.recipe.size), INK)
        amplitudes = self._net(looked_at, torch.from_numpy(z).to(self._device))
        return to_images(to_uint8(deform(to_float(images, INK), amplitudes), INK))
