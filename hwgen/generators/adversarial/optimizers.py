"""RMSProp as TensorFlow implements it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class TensorFlowRMSprop(torch.optim.Optimizer):
    """RMSProp (Tieleman & Hinton 2012) with the details of tf.train.RMSPropOptimizer.

    In torch's RMSprop the mean of squared gradients starts at 0 and eps = 1e-8 is added to its
    square root. Here it starts at 1 and eps = 1e-10 is added under the root, so that the first
    steps are proportional to the gradients. That is decisive for GANs without batch norm (Mao et
    al., arXiv 1611.04076, section 4.3 compares RMSProp with Adam on them). No momentum.

    Args:
        parameters: to train.
        lr: learning rate.
        decay: of the mean of squared gradients, per step.
        eps: added under the square root.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float, decay: float = 0.9, eps: float = 1e-10
    ) -> None:
        super().__init__(parameters, {"lr": lr, "decay": decay, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient.

        Args:
            closure: as in torch's optimisers, recomputes the loss and its gradients.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if not moved:
                continue
            gradients = [p.grad for p in moved]
            means = [self._mean(p) for p in moved]
            torch._foreach_mul_(means, group["decay"])
            torch._foreach_addcmul_(means, gradients, gradients, 1 - group["decay"])
            roots: Any = torch._foreach_add(means, group["eps"])
            torch._foreach_sqrt_(roots)
            torch._foreach_addcdiv_(moved, gradients, roots, -group["lr"])
        return loss

    def _mean(self, parameter: Tensor) -> Tensor:
        """Mean of this parameter's squared gradients; 1 before the first step."""
        state = self.state[parameter]
        if "square_avg" not in state:
            state["square_avg"] = torch.ones_like(parameter, memory_format=torch.preserve_format)
        mean: Tensor = state["square_avg"]
        return mean
