"""A training step that is captured as a CUDA graph on a GPU and called eagerly on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

WARM_UP = 4
"""Eager calls before the capture: libraries choose kernels, optimizers make their state."""


class Captured:
    """Calls `step` eagerly WARM_UP times, then replays it as a graph if the device is a GPU.

    Everything that changes between calls must be in tensors that keep their memory; random numbers
    come from the device's default generator, which graphs advance.

    Args:
        step: reads and writes tensors on `device`; returns a float tensor of values to log.
        device: where it runs.
    """

    def __init__(self, step: Callable[[], torch.Tensor], device: torch.device) -> None:
        self._step, self._cuda = step, device.type == "cuda"
        self._graph: torch.cuda.CUDAGraph | None = None
        self._logged = torch.zeros(())
        self._calls = 0
        self._stream = torch.cuda.Stream() if self._cuda else None

    def __call__(self) -> torch.Tensor:
        """Take one step; the next call overwrites the returned tensor."""
        self._calls += 1
        if not self._cuda:
            return self._step()
        if self._calls <= WARM_UP:
            assert self._stream is not None
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                self._logged = self._step()
            torch.cuda.current_stream().wait_stream(self._stream)
            return self._logged
        if self._graph is None:
            torch.cuda.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._logged = self._step()
        self._graph.replay()
        return self._logged
