import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.paper import geometry
from hwgen.generators.gan.presets import LOSSES, Loss

EQ8, EQ9, GAN = LOSSES["lsgan-eq8"], LOSSES["lsgan-eq9"], LOSSES["gan"]


def test_gradients_are_those_of_the_formulas() -> None:
    found = geometry.gradients()
    at = np.array(found["outputs"])
    np.testing.assert_allclose(found["lsgan-eq9"]["gradient"], at - 1, atol=1e-12)
    np.testing.assert_allclose(found["lsgan-eq8"]["gradient"], at, atol=1e-12)
    np.testing.assert_allclose(found["gan"]["gradient"], -1 / (1 + np.exp(at)), atol=1e-12)
    # 1 / (1 + e^x) is below 1/1000 from log 999 on; least squares within 1/1000 of one point.
    assert found["gan"]["flat from"] == pytest.approx(math.log(999), abs=1e-3)
    assert found["gan"]["flat to"] == 20
    for name, where in (("lsgan-eq9", 1), ("lsgan-eq8", 0)):
        assert found[name]["flat from"] == pytest.approx(where - 1e-3, abs=2e-4)
        assert found[name]["flat to"] == pytest.approx(where + 1e-3, abs=2e-4)


@pytest.mark.parametrize("loss", [EQ8, EQ9])
def test_d_of_least_squares_is_the_regression(loss: Loss) -> None:
    where = geometry.scene(0)
    points = torch.cat((where.real, where.fake)).numpy()
    targets = np.repeat([loss.b, loss.a], [len(where.real), len(where.fake)])
    design = np.column_stack((points, np.ones(len(points))))
    expected = np.linalg.lstsq(design, targets, rcond=None)[0]
    np.testing.assert_allclose(geometry.fit_d(loss, where).numpy(), expected, atol=1e-8)


def test_d_of_cross_entropy_is_at_its_minimum() -> None:
    where = geometry.scene(0)
    d = geometry.fit_d(GAN, where).numpy()
    points = torch.cat((where.real, where.fake)).numpy()
    design = np.column_stack((points, np.ones(len(points))))
    real = np.repeat([1.0, 0.0], len(where.real))
    slope = design.T @ (1 / (1 + np.exp(-design @ d)) - real) / len(where.real)
    np.testing.assert_allclose(slope, 0, atol=1e-7)


def test_least_squares_moves_far_points_back_and_cross_entropy_does_not() -> None:
    _, _, ways, found = geometry.boundary(0)
    assert found["gan"]["far over fake"] < 1e-4
    assert found["lsgan-eq9"]["far over fake"] > 1
    before = found["gan"]["far from real before"]
    assert found["gan"]["far from real after"] == pytest.approx(before, rel=1e-3)
    assert found["lsgan-eq9"]["far from real after"] < before / 2
    assert len(ways["gan"]) == geometry.SHIFT_STEPS + 1
    # With Eq. 1's own loss of G they have the largest gradient, and move away.
    assert found["minimax"]["gradient of far"] > found["minimax"]["gradient of fake"]
    assert found["minimax"]["far from real after"] > 2 * before


@pytest.mark.parametrize("loss", [EQ8, EQ9, Loss(a=0.3, b=-1.2, c=2.0)])
def test_descent_finds_the_optimal_d_of_two_points_by_hand(loss: Loss) -> None:
    real = torch.tensor([0.75, 0.25], dtype=torch.float64)
    fake = torch.tensor([0.25, 0.75], dtype=torch.float64)
    a, b, c = loss.a, loss.b, loss.c
    expected = [0.75 * b + 0.25 * a, 0.25 * b + 0.75 * a]
    found = geometry.found_d(loss, real, fake, seed=1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(geometry.optimal_d(loss, real, fake).numpy(), expected, atol=1e-12)
    by_hand = sum((d - c) ** 2 for d in expected)  # p_d + p_g is 1 at both points
    assert geometry.twice_c(loss, real, fake, found) == pytest.approx(by_hand)


def test_pearson_has_the_order_of_arguments_of_the_paper() -> None:
    p, q = torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])
    assert geometry.pearson(p, q) == pytest.approx(0.0625 / 0.5 * 2)
    assert geometry.pearson(q, p) == pytest.approx(0.0625 / 0.25 + 0.0625 / 0.75)


def test_distributions_are_normalised_and_differ() -> None:
    pairs = geometry.distributions(0)
    for real, fake in pairs.values():
        for p in (real, fake):
            assert p.min() > 0
            assert p.sum().item() == pytest.approx(1)
    real, fake = pairs["continuous 0"]
    assert (real - fake).abs().sum() > 0.05
    assert torch.equal(*pairs["discrete, equal"])


def test_eq_7_holds_for_eq_8_and_not_for_eq_9(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(geometry, "PAIRS", 1)
    monkeypatch.setattr(geometry, "CODINGS", 2)
    geometry.main(["--out", str(tmp_path / "new")])
    found = json.loads((tmp_path / "new" / "geometry.json").read_text(encoding="utf-8"))
    errors = found["divergence"]["errors"]
    assert errors["Eq. 5, descent against formula"] < 1e-12
    assert errors["Eq. 7, 2C(G) - chi2 with (-1, 1, 0)"] < 1e-12
    assert errors["Eq. 9, 2C(G) - chi2 with (0, 1, 1)"] > 0.1
    assert errors["2C(G) - affine in chi2, any (a, b, c)"] < 1e-12
    rows = found["divergence"]["rows"]
    assert len(rows) == (2 + 2) * 3
    equal = {row["coding"]: row["2C(G)"] for row in rows if row["pair"] == "discrete, equal"}
    assert equal["lsgan-eq8"] == pytest.approx(0, abs=1e-12)
    assert equal["lsgan-eq9"] == pytest.approx(0.5)
    assert errors["Eq. 3, C(G) - (2 JSD - log 4)"] < 1e-12
    assert len(found["divergence"]["Eq. 3"]) == 3
    assert found["hardware"]["precision"] == "fp64"
    for name in ("losses", "boundary", "divergence"):
        assert (tmp_path / "new" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "Eq. 5" in capsys.readouterr().out
