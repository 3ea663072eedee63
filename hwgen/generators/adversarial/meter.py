"""Means of measurements over training steps and ranks."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from torch import Tensor

from hwgen.compute.distributed import Ranks


class Meter:
    """Means of the steps' measurements, which stay on the device until `means` or `take`.

    Each rank adds the measurements of its slice; `means` and `take` are collective.
    """

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._timed = 0
        self._since = time.monotonic()

    def add(self, measured: Mapping[str, Tensor]) -> None:
        """Add the scalars of one step, which may be overwritten afterwards."""
        first = [name for name in measured if name not in self._sums]
        names = [name for name in measured if name in self._sums]
        if names:  # one kernel on a GPU
            sums, values = ([found[name] for name in names] for found in (self._sums, measured))
            torch._foreach_add_(sums, values)
        for name in first:
            self._sums[name] = measured[name].clone()
        for name in measured:
            self._counts[name] = self._counts.get(name, 0) + 1
        self._timed += 1

    def means(self) -> dict[str, float]:
        """The means since the last `take`."""
        if not self._sums:
            return {}
        over_ranks = self._ranks.mean(torch.stack(list(self._sums.values())))
        self._sums = dict(zip(self._sums, over_ranks, strict=True))
        totals = zip(self._sums, over_ranks.tolist(), strict=True)
        return {name: total / self._counts[name] for name, total in totals}

    def take(self, batch: int) -> dict[str, float]:
        """The means and images_per_second, five digits each; starts again from nothing."""
        means = self.means()
        means["images_per_second"] = self._timed * batch / max(time.monotonic() - self._since, 1e-9)
        self._clear()
        return {name: float(f"{value:.5g}") for name, value in means.items()}

    def tensors(self) -> dict[str, Tensor]:
        """The sums as of the last `means`, so that a resumed run logs means over all steps."""
        counts = {f"meter.count.{name}": torch.tensor(n) for name, n in self._counts.items()}
        return {**counts, **{f"meter.sum.{name}": total for name, total in self._sums.items()}}

    def load(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Restore what `tensors` returned, among other tensors."""
        for full_name, tensor in tensors.items():
            kind, _, name = full_name.removeprefix("meter.").partition(".")
            if full_name.startswith("meter.") and kind == "sum":
                self._sums[name] = tensor.to(device, copy=True)
            elif full_name.startswith("meter."):
                self._counts[name] = int(tensor)
