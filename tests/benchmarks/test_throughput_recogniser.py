import numpy as np
import pytest
import torch

from benchmarks.throughput import recogniser as job
from hwgen.recogniser.network import RecogniserRecipe

CPU = torch.device("cpu")
TOY = RecogniserRecipe(size=16, widths=((4,), (6, 8)), grid=4, hidden=10, dropout=0.0)


def test_all_implementations_predict_the_same() -> None:
    torch.manual_seed(0)
    ways = job.inference_ways(TOY, 5, 9, CPU)
    usual, same, ours = (ways[name]() for name in ("usual", "same order", "hwgen"))
    np.testing.assert_allclose(ours, same, atol=1e-5)
    assert usual.shape == same.shape


def test_all_implementations_learn_alike() -> None:
    torch.manual_seed(0)
    ways = job.step_ways(TOY, 5, 16, CPU)
    losses = {name: [float(way()) for _ in range(4)] for name, way in ways.items()}
    assert losses["hwgen"][0] == pytest.approx(losses["same order"][0], rel=1e-4)
    for values in losses.values():
        assert values[3] < values[0]


def test_the_usual_network_has_the_same_size() -> None:
    networks = job.usual_network(TOY, 5), job.same_order_network(TOY, 5)
    first, second = (sum(p.numel() for p in network.parameters()) for network in networks)
    assert first == second


@pytest.mark.usefixtures("quick")
def test_rows_and_profile_state_what_was_timed() -> None:
    rows = job.measure(recipe=TOY, classes=[5], batch=8, inference_batch=9, runs=1)
    assert [row["settings"]["batch"] for row in rows] == [8, 9]
    for row in rows:
        assert set(row["ways"]) == {"usual", "same order", "hwgen"}
        assert row["limits"]["by the definition's FLOPs, s"] > 0
    assert "convolution" in job.profile(TOY, 5, CPU)
