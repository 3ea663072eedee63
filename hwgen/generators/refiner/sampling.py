"""Sampling from a refiner: any character that has strokes, by any number of simulated hands.

A sample is a function of (seed, label, index) alone, so that neither the batch size nor the other
classes change it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hwgen.charset import Charset, parse_charset
from hwgen.compute.devices import pick_device
from hwgen.compute.tensor_files import load_network
from hwgen.data import to_float, to_images, to_tensor, to_uint8
from hwgen.errors import RunError
from hwgen.generators.refiner.domains import find_domain
from hwgen.generators.refiner.network import RefinerNet
from hwgen.generators.refiner.recipe import RefinerRecipe, recipe_from_json
from hwgen.generators.refiner.stroke_file import FILE, StoredStrokes
from hwgen.generators.samplers import (
    Labels,
    SamplerBase,
    check_hand,
    ids_and_indices,
    names_of,
)
from hwgen.record import Image
from hwgen.runs.models import Model
from hwgen.sources.simulation.samples import SimulatedSamples
from hwgen.sources.strokes.choice import stroke_data
from hwgen.sources.strokes.data import StrokeData, Strokes
from hwgen.sources.strokes.rounding import fingerprint, rounded

KIND = "refiner"
"""Run.kind of runs with such recipes."""

_CPU_BATCH = 64  # larger ones do not fit a core's cache

Ids = npt.NDArray[np.int64]


class RefinerSampler(SamplerBase):
    """A trained refiner with the strokes of its classes.

    Args:
        net: trained.
        recipe: that it was trained with.
        charset: classes to sample, trained on or not.
        strokes: label -> strokes; classes without strokes cannot be sampled.
        device: to sample on; the network is moved there.
        provenance: run and snapshot, for the source of every sample.
        data: content hashes of the training stores, () if not known.
        hand: see SimulatedSamples.
        notice: authors and licence of the strokes.
        domain: number of the training store whose look the samples have.
        domain_name: of it, for the manifest of a synthetic store; "" where there is one.
        source: strokes of characters outside the charset, for text; None for none.

    Attributes:
        start: the simulated images that are refined.
    """

    title = "refiner"
    generates = True

    def __init__(
        self,
        net: RefinerNet,
        recipe: RefinerRecipe,
        charset: Charset,
        strokes: Mapping[str, Strokes],
        device: torch.device,
        *,
        provenance: str = "",
        data: tuple[str, ...] = (),
        hand: int | None = None,
        notice: str = "",
        domain: int = 0,
        domain_name: str = "",
        source: StrokeData | None = None,
    ) -> None:
        self._net = net.to(device).to(memory_format=torch.channels_last)
        self._device, self.recipe = device, recipe
        self.start = SimulatedSamples(charset, strokes, recipe.framing, hand)
        self.charset = charset
        self.size, self.channels, self.preset = recipe.size, recipe.channels, recipe.preset
        self.provenance, self.data, self._notice = provenance, data, notice
        self._domain, self._domain_name = domain, domain_name
        self._source, self.framing = source, recipe.framing.to_json()

    @property
    def characters(self) -> Set[str]:
        """See Sampler: all that have strokes."""
        others = frozenset() if self._source is None else self._source.characters()
        return {*self.charset, *others}

    @classmethod
    def of_model(
        cls,
        model: Model,
        device: str = "auto",
        *,
        charset: Charset | str | None = None,
        strokes: StrokeData | Path | str | None = None,
        hand: int | None = None,
        domain: str | None = None,
    ) -> RefinerSampler:
        """The network of a snapshot or of an exported model.

        Args:
            model: weights and recipe.
            device: "auto", "cpu", "cuda", ...
            charset: classes to sample, as text too; None for those of the training store that have
                strokes.
            strokes: instead of those that the model was trained with, see
                hwgen.sources.strokes.choice.stroke_data.
            hand: see RefinerSampler.
            domain: name of the training store whose look the samples have, or its number from 1;
                None for the first.

        Raises:
            RunError: the weights do not fit the recipe, or are not those of a refiner.
            InputError: the recipe is invalid, or there is no such domain.
            CharsetError: lists every class that has no strokes.
        """
        if model.kind != KIND:
            raise RunError(
                f"is of kind {model.kind!r:.40}, expected a refiner", where=str(model.weights)
            )
        recipe = recipe_from_json(model.recipe)
        number, name = find_domain(model, recipe, domain)
        net = load_network(
            model.weights, "g.net", lambda: RefinerNet(recipe.generator, recipe.size)
        )
        net.requires_grad_(False)
        source = _stroke_data(strokes, model)
        if isinstance(charset, str):
            charset = parse_charset(charset)
        if charset is None:
            known = source.characters()
            charset = Charset(tuple(label for label in model.charset if label in known))
        return cls(
            net,
            recipe,
            charset,
            rounded(source.load(charset)),
            pick_device(device),
            provenance=model.provenance,
            data=_first(model.stores_seen, number),
            hand=hand,
            notice=source.notice,
            domain=number,
            domain_name=name,
            source=source,
        )

    @property
    def origin(self) -> dict[str, Any]:
        """See WriterSampler."""
        hand = {} if self.start.hand is None else {"hand": self.start.hand}
        return {
            "charset": self.charset.fingerprint,
            "strokes": fingerprint(self.start.strokes, self.charset),
            **hand,
            **({"domain": self._domain_name} if self._domain_name else {}),
            "notice": self._notice,
        }

    def sample(
        self,
        labels: Labels,
        indices: npt.ArrayLike | None = None,
        *,
        hand: int | None = None,
        seed: int = 0,
        batch: int = 512,
    ) -> Image:
        """See hwgen.generators.samplers.Sampler.sample.

        Text and labels may have any character that the model has strokes of, also outside
        `charset`. A hand is a simulated writer with one z; its images of a character vary.

        Raises:
            CharsetError: lists every label that has no strokes.
        """
        start = self._start_of(labels)
        check_hand(hand, seed)
        if hand is not None:
            start = replace(start, hand=hand)
        ids, numbers = ids_and_indices(start.charset, labels, indices)
        step = min(batch, _CPU_BATCH) if self._device.type == "cpu" else batch
        slices = [slice(start, start + step) for start in range(0, len(ids), step)]
        parts = [np.empty((0, self.size, self.size), np.uint8)]
        # The next images are simulated while the network refines the last ones.
        with ThreadPoolExecutor(1) as ahead:
            starts = ahead.map(lambda some: start.images(ids[some], numbers[some], seed), slices)
            for some, images in zip(slices, starts, strict=True):
                z = start.noise(ids[some], numbers[some], seed, self.recipe.generator.z_dim)
                parts.append(self._refined(images, z))
        return np.concatenate(parts)

    def writers(
        self, class_ids: npt.ArrayLike, indices: npt.ArrayLike, *, seed: int = 0
    ) -> list[str]:
        """The simulated hand of each sample, such as "hand-0017-seed-0"."""
        ids, numbers = np.asarray(class_ids, np.int64), np.asarray(indices, np.int64)
        return self.start.writers(ids, numbers, seed)

    def _start_of(self, labels: Labels) -> SimulatedSamples:
        """`start`, with further classes where labels have strokes and are none of its classes."""
        new = [one for one in dict.fromkeys(names_of(labels) or []) if one not in self.charset]
        if not new or self._source is None:
            return self.start
        strokes = {**self.start.strokes, **rounded(self._source.load(new))}
        charset = Charset((*self.charset, *new))
        return replace(self.start, charset=charset, strokes=strokes)

    @torch.no_grad()
    def _refined(self, images: Image, z: npt.NDArray[np.float32]) -> Image:
        pixels = self.recipe.pixels
        training = self._net.training
        self._net.eval()  # running statistics, so that a sample does not depend on the others
        x = to_float(to_tensor(images, self._device), pixels)
        domain = torch.full((len(x),), self._domain, device=self._device)
        refined = self._net(x, torch.from_numpy(z).to(self._device), domain)
        self._net.train(training)
        return to_images(to_uint8(refined, pixels))


def _stroke_data(strokes: StrokeData | Path | str | None, model: Model) -> StrokeData:
    return StoredStrokes(model.folder / FILE) if strokes is None else stroke_data(strokes)


def _first(hashes: tuple[str, ...], number: int) -> tuple[str, ...]:
    """The hashes with that of this store first."""
    return (*hashes[number : number + 1], *hashes[:number], *hashes[number + 1 :])
