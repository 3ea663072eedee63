"""Sums of the steps' measurements."""

import torch
from torch import Tensor

from hwgen.compute.distributed import ALONE
from hwgen.generators.adversarial.meter import Meter

CPU = torch.device("cpu")


def measurements(step: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(step)
    names = ["loss_d", "loss_g", *(["r1"] if step % 4 == 0 else [])]
    return {name: torch.randn((), generator=generator) for name in names}


def test_sums_are_those_of_one_addition_after_another() -> None:
    meter, sums = Meter(ALONE), dict[str, Tensor]()
    for step in range(1, 10):
        for name, value in measurements(step).items():
            sums[name] = sums[name] + value if name in sums else value
        meter.add(measurements(step))
    found = meter.tensors()
    assert {name: found[f"meter.count.{name}"] for name in sums} == {
        "loss_d": 9,
        "loss_g": 9,
        "r1": 2,
    }
    assert all(torch.equal(found[f"meter.sum.{name}"], total) for name, total in sums.items())
    means = meter.means()
    assert means == {name: float(sums[name]) / found[f"meter.count.{name}"].item() for name in sums}


def test_what_was_added_or_loaded_may_be_overwritten_and_is_not_changed() -> None:
    meter, reused = Meter(ALONE), {"loss": torch.tensor(1.0)}
    meter.add(reused)
    reused["loss"].fill_(2.0)
    meter.add(reused)
    assert meter.means() == {"loss": 1.5}
    assert reused["loss"] == 2.0
    saved = {name: tensor.clone() for name, tensor in meter.tensors().items()}
    resumed = Meter(ALONE)
    resumed.load(saved, CPU)
    resumed.add(reused)
    assert saved["meter.sum.loss"] == 3.0
    assert resumed.means() == {"loss": 5 / 3}
