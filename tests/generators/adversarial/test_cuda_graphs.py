import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from hwgen.compute.tensor_files import (
    load_module,
    load_optimizer,
    module_tensors,
    optimizer_tensors,
)
from hwgen.generators.adversarial.cuda_graphs import WARM_UP, GraphedStep, Recorder, Step
from hwgen.generators.adversarial.steps import State, make_state, schedule, train_step
from hwgen.generators.gan.networks import build
from hwgen.generators.gan.presets import Recipe, change

CPU = torch.device("cpu")


class Tape(TorchDispatchMode):
    """Records operations, and does them again on the same tensors with the same numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []
        self.kept: list[Any] = []  # so that no id is used twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, out))
        return out

    def replay(self) -> dict[int, Tensor]:
        now: dict[int, Tensor] = {}

        def present(value: Any) -> Any:
            return now.get(id(value), value) if isinstance(value, Tensor) else value

        for func, args, kwargs, out in self.operations:
            again = func(*tree_map(present, args), **tree_map(present, kwargs))
            olds = out if isinstance(out, Sequence) else [out]
            news = again if isinstance(again, Sequence) else [again]
            for old, new in zip(olds, news, strict=True):
                if isinstance(old, Tensor):
                    now[id(old)] = new
        return now


class TapeRecorder:
    """Stands in for CUDA: what is recorded has not run, and Python is gone when it is replayed."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.warmed = self.recorded = 0

    def warm_up(self, step: Step) -> dict[str, Tensor]:
        self.warmed += 1
        return step()

    def record(self, step: Step, generator: torch.Generator) -> Step:
        self.recorded += 1
        before = [tensor.clone() for tensor in tensors(self.state)]
        drawn = generator.get_state()
        with Tape() as tape:
            measured = step()
        for tensor, value in zip(tensors(self.state), before, strict=True):
            tensor.data.copy_(value)
        generator.set_state(drawn)

        def replay() -> dict[str, Tensor]:
            with torch.no_grad():
                now = tape.replay()
            return {name: now[id(value)] for name, value in measured.items()}

        return replay


def tensors(state: State) -> list[Tensor]:
    found: list[Tensor] = []
    for network in (state.g, state.d, state.ema):
        found += [*network.parameters(), *network.buffers()]
    for optimizer in (state.optimizer_g, state.optimizer_d):
        for fields in optimizer.state.values():
            found += [value for value in fields.values() if isinstance(value, Tensor)]
    return found


VARIANTS = {
    "lazy R1, average, shifts": {"r1_every": "2", "translate": "1"},
    "views, labels fade in, pull": {
        "warp.scale": "0.1",
        "warp.fade": "0.2",
        "transition": "[0.1, 0.2]",
        "label_pull": "5",
    },
    "no R1, no average": {"r1_gamma": "0", "ema": "0"},
    "batch norm, labels concatenated, sum": {
        "discriminator.norm": "batch",
        "discriminator.label": "concat",
        "generator.norm": "batch",
        "loss.reduction": "sum",
        "r1_gamma": "0",
    },
    "unconditional": {"conditional": "false"},
    "RMSProp": {"optimizer.kind": "rmsprop", "r1_gamma": "0"},
}


RESUMED = 2 * WARM_UP + 1
"""Steps before a run is stopped and resumed."""

Close = Callable[[Any, Any], None]


def within(rtol: float, atol: float) -> Close:
    def close(found: Any, expected: Any) -> None:
        torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)

    return close


def check_steps(
    plain: State,
    graphed: State,
    recipe: Recipe,
    steps: Iterable[int],
    close: Close,
    *,
    precision: torch.dtype = torch.float32,
    recorder: Recorder | None = None,
) -> None:
    """Take steps with both, compare what each measures, and at the end the states."""
    device = next(plain.g.parameters()).device
    generator = torch.Generator(device)
    fast = GraphedStep(graphed, recipe, generator, precision, recorder)
    for step in steps:
        batches = torch.Generator().manual_seed(step)
        x = (torch.rand(4, 1, 8, 8, generator=batches) * 2 - 1).to(device)
        y = torch.randint(3, (4,), generator=batches).to(device) if recipe.conditional else None
        generator.manual_seed(step)
        found = fast(x, y, schedule(recipe, step))
        expected = train_step(
            plain,
            recipe,
            x,
            y,
            schedule(recipe, step),
            generator=torch.Generator(device).manual_seed(step),
            precision=precision,
        )
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            close(found[name], value)
    for mine, other in zip(tensors(graphed), tensors(plain), strict=True):
        close(mine, other)


def resumed(state: State, recipe: Recipe, steps: int) -> State:
    """A state with the networks and optimisers of another one, as from a checkpoint."""
    networks = {"g": state.g, "d": state.d, "ema": state.ema}
    optimizers = {"optimizer_g": state.optimizer_g, "optimizer_d": state.optimizer_d}
    saved: dict[str, Tensor] = {}
    for name, network in networks.items():
        saved.update(module_tensors(name, network))
    for name, optimizer in optimizers.items():
        saved.update(optimizer_tensors(name, optimizer))
    saved = {name: tensor.cpu().clone() for name, tensor in saved.items()}
    new = make_state(build, recipe, 3, 1, next(state.g.parameters()).device)
    for name in networks:
        load_module(name, getattr(new, name), saved, Path("checkpoint"))
    for name in optimizers:
        load_optimizer(name, getattr(new, name), saved, Path("checkpoint"), steps=steps)
    return new


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_replayed_steps_are_the_plain_ones(
    toy_recipe: Recipe, variant: str, precision: torch.dtype
) -> None:
    recipe = change(toy_recipe, VARIANTS[variant])
    plain = make_state(build, recipe, 3, 0, CPU)
    graphed = copy.deepcopy(plain)
    recorder = TapeRecorder(graphed)
    steps, close = range(4 * WARM_UP + 4), within(1e-3, 1e-4)
    check_steps(plain, graphed, recipe, steps, close, precision=precision, recorder=recorder)
    kinds = 2 if recipe.r1_gamma and recipe.r1_every > 1 else 1
    assert (recorder.warmed, recorder.recorded) == (kinds * WARM_UP, kinds)


@pytest.mark.usefixtures("one_thread")
def test_a_resumed_run_records_again(toy_recipe: Recipe) -> None:
    recipe = change(toy_recipe, VARIANTS["lazy R1, average, shifts"])
    plain = make_state(build, recipe, 3, 0, CPU)
    graphed, close = copy.deepcopy(plain), within(1e-3, 1e-4)
    recorder = TapeRecorder(graphed)
    check_steps(plain, graphed, recipe, range(RESUMED), close, recorder=recorder)
    graphed = resumed(graphed, recipe, RESUMED)
    recorder = TapeRecorder(graphed)
    steps = range(RESUMED, RESUMED + 2 * WARM_UP + 4)
    check_steps(plain, graphed, recipe, steps, close, recorder=recorder)
    assert recorder.recorded == 2


on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")

# Kernels with atomic additions, and in fp32 convolutions in TF32, round differently each time.
CUDA_CLOSE = {torch.float32: within(1e-2, 2e-3), torch.bfloat16: within(5e-2, 2e-2)}


@on_gpu
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_cuda_replays_the_plain_steps(
    toy_recipe: Recipe, variant: str, precision: torch.dtype
) -> None:
    recipe = change(toy_recipe, VARIANTS[variant])
    plain, graphed = (make_state(build, recipe, 3, 0, torch.device("cuda")) for _ in range(2))
    steps, close = range(4 * WARM_UP + 4), CUDA_CLOSE[precision]
    check_steps(plain, graphed, recipe, steps, close, precision=precision)


@on_gpu
def test_cuda_captures_again_after_a_resume(toy_recipe: Recipe) -> None:
    recipe = change(toy_recipe, VARIANTS["lazy R1, average, shifts"])
    plain, graphed = (make_state(build, recipe, 3, 0, torch.device("cuda")) for _ in range(2))
    close = CUDA_CLOSE[torch.float32]
    check_steps(plain, graphed, recipe, range(RESUMED), close)
    graphed = resumed(graphed, recipe, RESUMED)
    check_steps(plain, graphed, recipe, range(RESUMED, RESUMED + 2 * WARM_UP + 4), close)


@on_gpu
def test_cuda_steps_are_those_of_a_cpu(toy_recipe: Recipe) -> None:
    recipe = change(toy_recipe, {**VARIANTS["no R1, no average"], "translate": "0"})
    states = [make_state(build, recipe, 3, 0, torch.device(name)) for name in ("cpu", "cuda")]
    y = torch.randint(3, (4,))
    with torch.no_grad():
        z = states[0].g.sample_noise(4, torch.Generator().manual_seed(0))
        cpu, gpu = (
            state.d(state.g(z.to(device), y.to(device)), y.to(device)).cpu()
            for state, device in zip(states, ("cpu", "cuda"), strict=True)
        )
    within(1e-2, 1e-3)(gpu, cpu)
