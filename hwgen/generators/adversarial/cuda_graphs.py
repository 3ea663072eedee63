"""The training step recorded as CUDA graphs and replayed.

A step launches thousands of small kernels; on a fast GPU with a small batch, Python launches them
more slowly than the GPU runs them. A graph launches all of them at once. It replays the same
operations on the same tensors, so everything that changes between steps must be in a tensor: the
batch and the weights of the average and the labels are copied into place, and the noise comes from
the generator's state on the device. Steps with and without R1 are two graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from hwgen.generators.adversarial.recipe import AdversarialRecipe
from hwgen.generators.adversarial.steps import Schedule, State, train_step

WARM_UP = 3
"""Steps of each kind that run normally before one is recorded; libraries choose kernels then."""

Step = Callable[[], dict[str, Tensor]]
"""One step on fixed tensors; returns the tensors with the measurements."""


class Recorder(Protocol):
    """Records a step: CUDA, or a substitute in tests."""

    def warm_up(self, step: Step) -> dict[str, Tensor]:
        """Run a step before one is recorded."""

    def record(self, step: Step, generator: torch.Generator) -> Step:
        """A function that replays the step; recording does not run it."""


class CudaRecorder:
    """Records with torch.cuda.graph; graphs share one memory pool, since they run in turn."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()

    def warm_up(self, step: Step) -> dict[str, Tensor]:
        """See Recorder; on a side stream, as the PyTorch documentation requires."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            measured = step()
        torch.cuda.current_stream().wait_stream(self._stream)
        return measured

    def record(self, step: Step, generator: torch.Generator) -> Step:
        """See Recorder; each replay reads the generator's current seed and offset."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        with torch.cuda.graph(graph, pool=self._pool):
            measured = step()

        def replay() -> dict[str, Tensor]:
            graph.replay()
            return measured

        return replay


class GraphedStep:
    """`train_step` for one state on one GPU, several times as fast for small batches.

    Args:
        state: of one process; changed in place by every call.
        recipe: see AdversarialRecipe.
        generator: of z and DiffAugment, on the state's device.
        precision: of the networks.
        recorder: None records with CUDA.
    """

    def __init__(
        self,
        state: State,
        recipe: AdversarialRecipe,
        generator: torch.Generator,
        precision: torch.dtype,
        recorder: Recorder | None = None,
    ) -> None:
        self._state, self._recipe = state, recipe
        self._generator, self._precision = generator, precision
        self._recorder = recorder or CudaRecorder()
        self._x: Tensor | None = None
        self._y: Tensor | None = None
        self._ema_weight = torch.zeros((), device=generator.device)
        self._label_weight = torch.zeros((), device=generator.device)
        self._warm: dict[bool, int] = {False: 0, True: 0}
        self._recorded: dict[bool, Step] = {}

    def __call__(self, x: Tensor, y: Tensor | None, at: Schedule) -> dict[str, Tensor]:
        """One step, see train_step. All batches must have the same shape.

        The generator must have been seeded for this step. The next call may overwrite what this one
        returns.
        """
        if self._x is None:
            self._x, self._y = torch.empty_like(x), None if y is None else torch.empty_like(y)
        self._x.copy_(x)
        if self._y is not None and y is not None:
            self._y.copy_(y)
        self._ema_weight.fill_(at.ema_weight)
        self._label_weight.fill_(at.label_weight)
        step = self._step(at.r1)
        if at.r1 not in self._recorded and self._warm[at.r1] < WARM_UP:
            self._warm[at.r1] += 1
            return self._recorder.warm_up(step)
        if at.r1 not in self._recorded:
            self._recorded[at.r1] = self._recorder.record(step, self._generator)
        return self._recorded[at.r1]()

    def _step(self, r1: bool) -> Step:
        at = Schedule(step=-1, r1=r1, ema_weight=self._ema_weight, label_weight=self._label_weight)

        def step() -> dict[str, Tensor]:
            assert self._x is not None
            return train_step(
                self._state,
                self._recipe,
                self._x,
                self._y,
                at,
                generator=self._generator,
                precision=self._precision,
            )

        return step
