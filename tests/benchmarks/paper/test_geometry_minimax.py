import math

import numpy as np
import pytest
import torch

from benchmarks.paper import geometry
from benchmarks.paper.geometry_minimax import (
    divergence_js,
    found_d,
    jensen_shannon,
    kullback_leibler,
    minimax_loss,
    slopes_of_g,
)

P = torch.tensor([0.75, 0.25], dtype=torch.float64)
Q = torch.tensor([0.25, 0.75], dtype=torch.float64)


def test_the_minimax_loss_is_that_of_eq_1_and_flat_where_d_rejects_the_samples() -> None:
    d = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64, requires_grad=True)
    loss = minimax_loss(d)
    probability = 1 / (1 + np.exp(-d.detach().numpy()))
    assert loss.item() == pytest.approx(np.log(1 - probability).mean())
    loss.backward()
    assert d.grad is not None
    np.testing.assert_allclose(d.grad.numpy(), -probability / 3, atol=1e-12)
    found = geometry.gradients()["minimax"]
    assert found["flat from"] == -20
    assert found["flat to"] == pytest.approx(-math.log(999), abs=1e-3)


def test_divergences_of_two_points_by_hand() -> None:
    assert kullback_leibler(P, Q).item() == pytest.approx(0.5 * math.log(3))
    by_hand = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert divergence_js(P, Q).item() == pytest.approx(by_hand)
    assert divergence_js(P, P).item() == 0


def test_newtons_method_finds_the_optimal_d_also_where_it_is_far_from_zero() -> None:
    real = torch.tensor([1e-9, 0.5, 0.5 - 1e-9], dtype=torch.float64)
    fake = torch.tensor([0.5, 1e-9, 0.5 - 1e-9], dtype=torch.float64)
    expected = [math.log(2e-9), math.log(5e8), 0]
    np.testing.assert_allclose(found_d(real, fake).numpy(), expected, atol=1e-6)


def test_eq_3_holds_and_g_follows_a_divergence_with_either_loss() -> None:
    rows, errors = jensen_shannon({"two points": (P, Q), "equal": (P, P)})
    assert max(errors.values()) < 1e-12
    assert rows[0]["C(G)"] == pytest.approx(2 * divergence_js(P, Q).item() - math.log(4))
    assert rows[1]["C(G)"] == pytest.approx(-math.log(4))
    assert "minimax" not in rows[1]  # the gradient is zero there
    assert max(slopes_of_g(P, Q).values()) < 1e-12
