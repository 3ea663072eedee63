"""A training step that is captured as a CUDA graph on a GPU and simply called on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

WARM_UP = 4
"""Eager calls before the capture: libraries choose kernels and optimizers make their state."""


class Captured:
    """Calls `step` eagerly WARM_UP times, then as a graph where there is a GPU.

    Everything that changes from call to call must lie in tensors that stay in place; random
    numbers come from the device's default generator, which graphs advance.

    Args:
        step: reads and writes tensors on `device`; returns a float tensor to be watched.
        device: where it runs.
    """

    def __init__(self, step: Callable[[], torch.Tensor], device: torch.device) -> None:
        self._step, self._cuda = step, device.type == "cuda"
        self._graph: torch.cuda.CUDAGraph | None = None
        self._watched = torch.zeros(())
        self._calls = 0
        self._stream = torch.cuda.Stream() if self._cuda else None

    def __call__(self) -> torch.Tensor:
        """One step; the returned tensor is overwritten by the next call."""
        self._calls += 1
        if not self._cuda:
            return self._step()
        if self._calls <= WARM_UP:
            assert self._stream is not None
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._watched = self._step()
            torch.cuda.current_stream().wait_stream(self._stream)
            return self._watched
        if self._graph is None:
            torch.cuda.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._watched = self._step()
        self._graph.replay()
        return self._watched
