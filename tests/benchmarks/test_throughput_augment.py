import pytest
import torch

from benchmarks.throughput import augment as job


def test_all_implementations_give_images_of_the_same_kind() -> None:
    x = torch.zeros(1, 28, 28)
    x[:, 8:20, 12:15] = 1
    for name, transform in job.transforms(28, 5.0).items():
        torch.manual_seed(1)
        theirs = transform(x)
        generator = torch.Generator().manual_seed(1)
        ours = job.augment(x[None], job.AMOUNTS[name], pixels=job.PIXELS, generator=generator)[0]
        for y in (theirs, ours):
            assert y.shape == x.shape
            assert y.dtype == torch.float32
            assert (y - x).abs().max() > 0.02
            # About as much ink as before.
            assert float(y.sum()) == pytest.approx(float(x.sum()), rel=0.6)


@pytest.mark.usefixtures("quick")
def test_rows_state_what_was_timed() -> None:
    before = torch.get_num_threads()
    rows = job.measure(sizes=[28], batches=[2], threads=[1], runs=1)
    assert torch.get_num_threads() == before
    assert [row["settings"]["job"] for row in rows] == list(job.AMOUNTS)
    for row in rows:
        assert row["settings"]["threads"] == 1
        assert row["ways"]["hwgen"]["work"] == 20
        assert ("torchvision, narrow" in row["ways"]) == (row["settings"]["job"] in job.GAUSSIAN)
