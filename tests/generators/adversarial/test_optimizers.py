import numpy as np
import pytest
import torch

from hwgen.generators.adversarial.optimizers import TensorFlowRMSprop


def test_it_is_tensorflows_formula() -> None:
    """Its mean of squares starts at 1: m = decay m + (1 - decay) g^2; w -= lr g / sqrt(m + eps)."""
    torch.manual_seed(0)
    weights = [torch.randn(3, 4, dtype=torch.float64), torch.randn(5, dtype=torch.float64)]
    parameters = [torch.nn.Parameter(weight.clone()) for weight in weights]
    optimizer = TensorFlowRMSprop(parameters, lr=0.01, decay=0.9)
    expected = [weight.numpy().copy() for weight in weights]
    means = [np.ones_like(weight) for weight in expected]
    for _ in range(4):
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
        for weight, mean, parameter in zip(expected, means, parameters, strict=True):
            assert parameter.grad is not None
            gradient = parameter.grad.numpy()
            mean[...] = 0.9 * mean + 0.1 * gradient**2
            weight -= 0.01 * gradient / np.sqrt(mean + 1e-10)
    for weight, parameter in zip(expected, parameters, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), weight, rtol=1e-12)


def test_it_begins_slower_than_torchs() -> None:
    moved = []
    for kind in (TensorFlowRMSprop, torch.optim.RMSprop):
        parameter = torch.nn.Parameter(torch.zeros(1))
        parameter.grad = torch.full((1,), 1e-3)
        kind([parameter], lr=1.0).step()
        moved.append(-parameter.item())
    assert moved[0] == pytest.approx(1e-3 / 0.9**0.5, rel=1e-4)
    assert moved[1] == pytest.approx(10, rel=1e-3)  # g / sqrt(0.01 g^2)


def test_what_has_no_gradient_stays() -> None:
    still, moved = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = TensorFlowRMSprop([still, moved], lr=0.1)

    def loss() -> float:
        optimizer.zero_grad()
        value = moved.square().sum()
        value.backward()
        return value.item()

    assert optimizer.step() is None
    assert optimizer.step(loss) == 2
    assert still.tolist() == [1, 1]
    assert (moved < 1).all()
