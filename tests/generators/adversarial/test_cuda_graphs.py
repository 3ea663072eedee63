import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from hwgen.generators.adversarial.cuda_graphs import WARM_UP, GraphedStep, Step
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


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("variant", VARIANTS)
def test_replayed_steps_are_the_plain_ones(toy_recipe: Recipe, variant: str) -> None:
    recipe = change(toy_recipe, VARIANTS[variant])
    plain = make_state(build, recipe, 3, 0, CPU)
    graphed = copy.deepcopy(plain)
    generator = torch.Generator()
    recorder = TapeRecorder(graphed)
    fast = GraphedStep(graphed, recipe, generator, torch.float32, recorder)
    batches = torch.Generator().manual_seed(7)
    for step in range(4 * WARM_UP + 4):
        x = torch.rand(4, 1, 8, 8, generator=batches) * 2 - 1
        y = torch.randint(3, (4,), generator=batches) if recipe.conditional else None
        generator.manual_seed(step)
        found = fast(x, y, schedule(recipe, step))
        expected = train_step(
            plain,
            recipe,
            x,
            y,
            schedule(recipe, step),
            generator=torch.Generator().manual_seed(step),
            precision=torch.float32,
        )
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)
    kinds = 2 if recipe.r1_gamma and recipe.r1_every > 1 else 1
    assert (recorder.warmed, recorder.recorded) == (kinds * WARM_UP, kinds)
    for mine, other in zip(tensors(graphed), tensors(plain), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_cuda_replays_the_plain_steps(toy_recipe: Recipe) -> None:
    device = torch.device("cuda")
    recipe = change(toy_recipe, VARIANTS["lazy R1, average, shifts"])
    plain = make_state(build, recipe, 3, 0, device)
    graphed = make_state(build, recipe, 3, 0, device)
    generator = torch.Generator(device)
    fast = GraphedStep(graphed, recipe, generator, torch.float32)
    for step in range(4 * WARM_UP):
        x = torch.rand(4, 1, 8, 8, device=device) * 2 - 1
        y = torch.randint(3, (4,), device=device)
        generator.manual_seed(step)
        found = fast(x, y, schedule(recipe, step))
        expected = train_step(
            plain,
            recipe,
            x,
            y,
            schedule(recipe, step),
            generator=torch.Generator(device).manual_seed(step),
            precision=torch.float32,
        )
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-2, atol=1e-3)
