"""In: the training step. Out: the same step, recorded once as CUDA graphs and replayed.

A step is some thousand small kernels; on a fast GPU a small batch is computed sooner than Python
can ask for it. A graph asks for all of them at once. It replays the very operations on the very
tensors, so everything that changes from step to step must lie in a tensor: the batch, and how much
the average and the labels weigh, are copied into place, the noise comes from the generator's state
on the device, and a step with R1 and one without are two graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from hwgen.generators.gan.presets import Recipe
from hwgen.generators.gan.steps import State, ema_weight, label_weight, penalised, take_step

WARM_UP = 3
"""Steps of each kind that run as they are before one is recorded: libraries choose kernels then."""

Step = Callable[[], dict[str, Tensor]]
"""One step on tensors that stay where they are, and the tensors with what was measured."""


class Recorder(Protocol):
    """What can record a step: CUDA, or a test's stand-in."""

    def warm_up(self, step: Step) -> dict[str, Tensor]:
        """Run a step as it must be run before one is recorded."""

    def record(self, step: Step, generator: torch.Generator) -> Step:
        """What replays the step, without having run it."""


class CudaRecorder:
    """Records with torch.cuda.graph; graphs share one pool of memory, as they run in turn."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()

    def warm_up(self, step: Step) -> dict[str, Tensor]:
        """See Recorder; on a side stream, as torch's documentation asks."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            measured = step()
        torch.cuda.current_stream().wait_stream(self._stream)
        return measured

    def record(self, step: Step, generator: torch.Generator) -> Step:
        """See Recorder; the generator's seed and offset are read anew at each replay."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        with torch.cuda.graph(graph, pool=self._pool):
            measured = step()

        def replay() -> dict[str, Tensor]:
            graph.replay()
            return measured

        return replay


class GraphedStep:
    """`train_step` for one state on one GPU, several times as fast where batches are small.

    Args:
        state: of one process; changed in place by every call.
        recipe: see Recipe.
        generator: source of z and of what changes D's view, on the state's device.
        precision: of the networks.
        recorder: what records; None is CUDA.
    """

    def __init__(
        self,
        state: State,
        recipe: Recipe,
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

    def __call__(self, x: Tensor, y: Tensor | None, *, step: int) -> dict[str, Tensor]:
        """One step; see train_step. All batches must have one shape.

        The generator must have been seeded for this step.
        """
        if self._x is None:
            self._x, self._y = torch.empty_like(x), None if y is None else torch.empty_like(y)
        self._x.copy_(x)
        if self._y is not None and y is not None:
            self._y.copy_(y)
        self._ema_weight.fill_(ema_weight(self._recipe, step))
        self._label_weight.fill_(label_weight(self._recipe, step))
        kind = penalised(self._recipe, step)
        take = self._take(kind)
        if kind not in self._recorded and self._warm[kind] < WARM_UP:
            self._warm[kind] += 1
            return self._recorder.warm_up(take)
        if kind not in self._recorded:
            self._recorded[kind] = self._recorder.record(take, self._generator)
        measured = self._recorded[kind]()
        # The next replay writes where this one wrote.
        return {name: value.clone() for name, value in measured.items()}

    def _take(self, kind: bool) -> Step:
        def take() -> dict[str, Tensor]:
            assert self._x is not None
            return take_step(
                self._state,
                self._recipe,
                self._x,
                self._y,
                penalised=kind,
                ema_weight=self._ema_weight,
                label_weight=self._label_weight,
                generator=self._generator,
                precision=self._precision,
            )

        return take
