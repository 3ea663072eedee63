"""Tests of hwgen.compute.distributed; as a script, what two processes of torchrun check
together."""

import copy
import errno
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from hwgen.compute import distributed
from hwgen.compute.distributed import ALONE, Ranks, first_to_say, join, replicate
from hwgen.errors import HwgenError, InputError, StoreError


def check_what_ranks_tell_each_other(ranks: Ranks) -> None:
    assert (ranks.rank, ranks.size) == (dist.get_rank(), 2)
    assert ranks.first == (ranks.rank == 0)
    whole = torch.arange(12).reshape(4, 3)
    assert torch.equal(ranks.local_slice(whole), whole[2 * ranks.rank :][:2])
    assert torch.equal(
        ranks.local_slice(whole[:, :2], dim=1), whole[:, ranks.rank : ranks.rank + 1]
    )
    values = torch.tensor([1.0, 2.0]) * (1 + ranks.rank)
    assert ranks.mean(values).tolist() == [1.5, 3.0]
    assert values.tolist() == [1.0 + ranks.rank, 2.0 + 2 * ranks.rank]
    assert ranks.any(ranks.rank == 1)
    assert not ranks.any(False)
    assert ranks.gather("ab"[ranks.rank]) == (["a", "b"] if ranks.first else [])
    assert ranks.gather_all("ab"[ranks.rank]) == ["a", "b"]


def check_steps_have_a_group_with_a_shorter_timeout() -> None:
    group = distributed._step_group
    assert group not in (None, dist.group.WORLD)
    assert dist.get_backend(group) == dist.get_backend() == "gloo"
    assert distributed.STEP_TIMEOUT < distributed.ALONE_TIMEOUT


def fail(ranks: Ranks, error: Exception | None) -> None:
    with ranks.agreed():
        if error:
            raise error


def check_errors_are_shared(ranks: Ranks) -> None:
    for failing in ([0], [1], [0, 1]):
        own = StoreError(str(ranks.rank), where="here", remedy="Do")
        with pytest.raises(StoreError, match=rf"^here: {failing[0]}. Do") as shared:
            fail(ranks, own if ranks.rank in failing else None)
        assert (shared.value.what, shared.value.remedy) == (str(failing[0]), "Do")
    no_space = OSError(errno.ENOSPC, "No space left", "file")
    with pytest.raises(OSError, match="No space") as full:
        fail(ranks, no_space if ranks.first else None)
    assert (full.value.errno, full.value.filename) == (errno.ENOSPC, "file")
    fail(ranks, None)


def check_one_tells(ranks: Ranks) -> None:
    assert sorted(ranks.gather_all(first_to_say("it"))) == [False, True]
    assert ranks.gather_all(first_to_say("it")) == [False, False]


class Normed(nn.Module):
    """A network that is batch norm in the middle, so that statistics meet gradients."""

    def __init__(self, shape: tuple[int, ...], affine: bool) -> None:
        super().__init__()
        kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
        self.scale = nn.Parameter(torch.rand(shape[1:]) + 0.5)
        self.norm = kind(shape[1], affine=affine)
        if affine:
            nn.init.uniform_(self.norm.weight, 0.5, 2)
            nn.init.uniform_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.tanh(self.norm(x * self.scale)).square()
        return out


def loss_with_penalty(network: nn.Module, x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """A weighted sum of outputs, and R1's square of the gradient with respect to x."""
    output = network(x)
    (gradient,) = torch.autograd.grad(output.sum(), x, create_graph=True)
    return (output * weights).sum() + gradient.square().sum(), output


def check_batch_norm_is_over_the_whole_batch(ranks: Ranks) -> None:
    for shape, affine in (((6, 5), True), ((4, 3, 5, 2), True), ((2, 3, 4, 4), False)):
        torch.manual_seed(0)
        plain = Normed(shape, affine)
        ours = copy.deepcopy(plain)
        names = list(ours.state_dict())
        replica = replicate(ours, ranks)
        assert list(ours.state_dict()) == names
        for _ in range(3):  # running statistics move on, and are what sums are taken about
            x, weights = 5 + 2 * torch.randn(shape), torch.randn(shape)
            x_whole = x.clone().requires_grad_()
            x_part = ranks.local_slice(x).clone().requires_grad_()
            loss, output = loss_with_penalty(plain, x_whole, weights)
            loss.backward()
            part_loss, part_output = loss_with_penalty(replica, x_part, ranks.local_slice(weights))
            (part_loss * ranks.size).backward()
            close(part_output, ranks.local_slice(output))
            close(x_part.grad / ranks.size, ranks.local_slice(x_whole.grad))
            for (name, a), b in zip(plain.named_parameters(), ours.parameters(), strict=True):
                close(b.grad, a.grad, name)
                a.grad = b.grad = None
            for (name, a), b in zip(plain.named_buffers(), ours.buffers(), strict=True):
                close(b, a, name)
        close(ours.eval()(x_part), plain.eval()(x_part))
        half = replica.train()(x_part.bfloat16())
        assert half.dtype == torch.promote_types(torch.bfloat16, ours.scale.dtype)
        assert ours.norm(x_part.bfloat16()).dtype == torch.bfloat16


def close(found: Any, expected: Any, name: str = "") -> None:
    torch.testing.assert_close(
        found, expected, rtol=2e-5, atol=2e-5, msg=lambda text: f"{name}: {text}"
    )


def check_everything_together() -> None:
    torch.set_num_threads(1)
    with join("cpu") as ranks:
        check_steps_have_a_group_with_a_shorter_timeout()
        check_what_ranks_tell_each_other(ranks)
        check_errors_are_shared(ranks)
        check_one_tells(ranks)
        check_batch_norm_is_over_the_whole_batch(ranks)
    assert not dist.is_initialized()
    assert distributed._step_group is None


def test_two_processes_check_everything_together(torchrun: Callable[..., Any]) -> None:
    process = torchrun(Path(__file__))
    said = process.communicate()[0]
    assert process.returncode == 0, said


def test_a_group_that_does_not_end_keeps_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(distributed, "LEAVING_SECONDS", 0.1)
    monkeypatch.setattr(dist, "destroy_process_group", never.wait)
    distributed._leave_group()
    never.set()


def test_a_group_that_ends_with_an_error_fails_no_finished_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed() -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(dist, "destroy_process_group", closed)
    distributed._leave_group()


def test_a_lone_process_has_no_group_and_exchanges_nothing() -> None:
    with join("cpu") as ranks:
        assert ranks is ALONE
        assert not dist.is_initialized()
    values = torch.arange(3.0)
    assert torch.equal(ranks.local_slice(values), values)
    assert ranks.mean(values) is values
    assert ranks.any(True)
    assert not ranks.any(False)
    assert ranks.gather(5) == ranks.gather_all(5) == [5]
    with pytest.raises(InputError, match="once"):
        fail(ranks, InputError("once"))
    network = nn.BatchNorm1d(2)
    assert replicate(network, ranks) is network
    assert type(network) is nn.BatchNorm1d
    assert first_to_say("it")
    assert first_to_say("it")


@pytest.fixture
def two_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torchrun tells the second of two processes."""
    for name, value in {
        "TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "RANK": "1",
        "LOCAL_RANK": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("gpus", "device", "text"),
    [
        (1, "auto", "2 processes were started on a machine with 1 GPUs.*--nproc-per-node 1"),
        (1, "cuda", "2 processes were started on a machine with 1 GPUs.*--device cpu"),
        (2, "cuda:0", "device 'cuda:0' is one GPU, 2 processes.*Leave --device out"),
        (0, "abacus", "device 'abacus' cannot be used"),
    ],
)
@pytest.mark.usefixtures("two_of_torchrun")
def test_processes_without_a_gpu_of_their_own_are_refused(
    monkeypatch: pytest.MonkeyPatch, gpus: int, device: str, text: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(HwgenError, match=text), join(device):
        pass


@pytest.mark.usefixtures("two_of_torchrun")
def test_each_process_takes_the_gpu_of_its_local_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    did: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", did.append)
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **_: did.append(backend))
    monkeypatch.setattr(dist, "new_group", lambda *, backend, timeout: did.append(backend))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: did.append("left"))
    monkeypatch.setattr(dist, "all_reduce", lambda tensor: did.append("last"))
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    with join("auto") as ranks:
        assert ranks == Ranks(1, 2)
        assert did == [1, "gloo", "nccl"]
    assert did[3:] == ["last", "left"]


def test_where_nobody_can_be_asked_each_process_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MASTER_PORT", str(unused.getsockname()[1]))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setattr(distributed, "PATIENCE", distributed.PATIENCE / 100)
    assert first_to_say("it")


if __name__ == "__main__":
    check_everything_together()
