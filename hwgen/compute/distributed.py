"""Several processes (ranks) of torchrun that work on one job.

`torchrun --nproc-per-node N -m hwgen_cli ...` starts one command N times. Each rank takes its slice
of every batch, and the ranks together compute what one process would. Without torchrun there is one
rank and no process group.

Batch norm is synchronised: mean and variance are those of the whole batch, over all ranks. With
local statistics N processes would train another network than one.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from hwgen.compute.devices import pick_device
from hwgen.errors import HwgenError, InputError

T = TypeVar("T")

ALONE_TIMEOUT = timedelta(hours=6)
"""How long ranks wait while one works alone; scoring a snapshot may take long."""

STEP_TIMEOUT = timedelta(minutes=30)
"""How long ranks wait for each other's tensors within a step: longer only if one hangs."""

LEAVING_SECONDS = 30.0
"""How long to wait for the end of a process group before the process ends anyway."""

PATIENCE = timedelta(seconds=5)
"""How long to look for torchrun's store before an error is printed anyway."""


@dataclass(frozen=True)
class Ranks:
    """The processes of one job, seen from one of them; a single process is rank 0 of 1.

    All methods but `local_slice` are collective: every rank must call them, in the same order.

    Attributes:
        rank: number of this process; only rank 0 writes files.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which writes."""
        return self.rank == 0

    def local_slice(self, whole: Tensor, dim: int = 0) -> Tensor:
        """This rank's slice of a whole batch: [size * n, ...] -> [n, ...]."""
        return whole.chunk(self.size, dim)[self.rank]

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the ranks, bit-identical on each."""
        if self.size == 1:
            return values
        total = values.clone()
        dist.all_reduce(total, group=_step_group)
        return total / self.size

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.size == 1:
            return flag
        count = torch.tensor(int(flag))
        dist.all_reduce(count)
        return bool(count)

    def gather(self, thing: T) -> list[T]:
        """The values of all ranks in order, on rank 0; an empty list on the others."""
        if self.size == 1:
            return [thing]
        things: list[Any] = [None] * self.size if self.first else []
        dist.gather_object(thing, things if self.first else None)
        return things

    def gather_all(self, thing: T) -> list[T]:
        """The values of all ranks in order, on every rank."""
        if self.size == 1:
            return [thing]
        things: list[Any] = [None] * self.size
        dist.all_gather_object(things, thing)
        return things

    def on_first(self, work: Callable[[], None]) -> None:
        """Do something on rank 0 while the others wait; its error is raised on every rank."""
        with self.agreed():
            if self.first:
                work()

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Leave the block together: an error on one rank is raised on every rank.

        So no rank waits for one that has failed, and the others wait while rank 0 works alone. Only
        HwgenError and OSError are passed on; after any other exception torchrun ends the others.
        """
        wrong: HwgenError | OSError | None = None
        try:
            yield
        except (HwgenError, OSError) as error:
            wrong = error
        for found in self.gather_all(wrong):
            if found is not None:
                raise found


_step_group: Any = None  # a dist.ProcessGroup
"""The group that exchanges tensors within steps; flags and objects go through torch's default one,
whose ranks wait longer."""

ALONE = Ranks()
"""A single process: nothing is exchanged."""


@contextmanager
def join(device: str = "auto") -> Iterator[Ranks]:
    """Join the processes that torchrun started; each takes the GPU of its local rank.

    Args:
        device: "auto", "cpu" or "cuda"; GPUs exchange tensors over nccl, CPUs over gloo.

    Raises:
        InputError: there are more processes than GPUs, one GPU is named for all of them, or the
            device is unknown or absent.
    """
    if not dist.is_torchelastic_launched() or os.environ["WORLD_SIZE"] == "1":
        yield ALONE
        return
    if torch.cuda.is_available() and (device == "auto" or device.startswith("cuda")):
        _take_own_gpu(device)
    on_gpu = pick_device(device).type == "cuda"
    dist.init_process_group("gloo", timeout=ALONE_TIMEOUT)
    global _step_group
    _step_group = dist.new_group(backend="nccl" if on_gpu else "gloo", timeout=STEP_TIMEOUT)
    ranks = Ranks(dist.get_rank(), dist.get_world_size())
    yield ranks
    # Leave together: a connection closed early fails ranks that still read from it. After an error
    # the process just ends, which the others notice sooner.
    with suppress(RuntimeError):  # another rank failed, for which torchrun fails
        ranks.any(False)
    _leave_group()


def _leave_group() -> None:
    """End the process groups; with torch 2.6 this sometimes hangs, when all work is done."""
    global _step_group
    _step_group = None
    device = torch.cuda.current_device() if torch.cuda.is_initialized() else None

    def leave() -> None:
        if device is not None:
            torch.cuda.set_device(device)  # is per thread
        with suppress(RuntimeError):
            dist.destroy_process_group()

    thread = threading.Thread(target=leave, name="hwgen-leave", daemon=True)
    thread.start()
    thread.join(LEAVING_SECONDS)


def _take_own_gpu(device: str) -> None:
    present, processes = torch.cuda.device_count(), int(os.environ["LOCAL_WORLD_SIZE"])
    if device not in ("auto", "cuda"):
        raise InputError(
            f"device {device!r} is one GPU, {processes} processes were started",
            remedy="Leave --device out: each process takes its own",
        )
    if processes > present:
        raise InputError(
            f"{processes} processes were started on a machine with {present} GPUs",
            remedy=f"Start torchrun with --nproc-per-node {present}, or give --device cpu",
        )
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def first_to_say(what: str) -> bool:
    """Whether no other process of this torchrun has asked this before.

    Every process finds a user's mistake, but only one should print it. It cannot always be rank 0:
    one process alone may find a mistake, and before the processes have joined.
    """
    if not dist.is_torchelastic_launched():
        return True
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        store = dist.TCPStore(address, port, is_master=False, timeout=PATIENCE)
        return store.add(f"hwgen/{attempt}/{what}", 1) == 1
    except RuntimeError:  # no store to ask: print twice rather than not at all
        return True


def replicate(network: nn.Module, ranks: Ranks) -> nn.Module:
    """The network to call where gradients are needed.

    On several ranks this is the same network, with synchronised batch norm, in a
    DistributedDataParallel, which averages the gradients over the ranks. A loss that is a mean over
    the batch needs nothing else; a sum must be multiplied by the number of ranks.
    """
    if ranks.size == 1:
        return network
    for part in network.modules():
        if isinstance(part, _BatchNorm):
            # Parameters, buffers and their names stay the same.
            part.__class__ = WholeBatchNorm
    # For weights of images with one channel, both strides describe the same memory layout.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    replica = DistributedDataParallel(network, process_group=_step_group)
    # Each rank computes the same buffers. (The argument has another name in newer versions.)
    replica.broadcast_buffers = False
    return replica


class WholeBatchNorm(_BatchNorm):
    """Batch norm over the whole batch of all ranks (nn.SyncBatchNorm, which runs on GPUs only).

    Each rank must hold the same number of samples. Made from an nn.BatchNorm1d or 2d.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any shape [N, C, ...]."""

    def forward(self, x: Tensor) -> Tensor:
        """X [N, C, ...] -> the same shape and type; statistics are float32."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        axes = [0, *range(2, x.ndim)]
        over_channels = (1, -1, *[1] * (x.ndim - 2))
        # Sums about the running mean, so that E[x^2] - E[x]^2 cancels little.
        centre = self.running_mean.clone()
        off = x.float() - centre.view(over_channels)
        sums = _SumOverRanks.apply(torch.stack([off.sum(axes), off.square().sum(axes)]))
        count = x.numel() // x.shape[1] * dist.get_world_size()
        mean = sums[0] / count
        variance = (sums[1] / count - mean.square()).clamp_min(0)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(centre + mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        gain = (variance + self.eps).rsqrt()
        bias = -mean * gain
        if self.weight is not None:
            gain, bias = gain * self.weight, bias * self.weight + self.bias
        out = torch.addcmul(bias.view(over_channels), off, gain.view(over_channels))
        return out.to(x.dtype)


class _SumOverRanks(torch.autograd.Function):
    """Sum over the ranks; so is its gradient, and the gradient's gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        dist.all_reduce(total, group=_step_group)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total: Tensor = _SumOverRanks.apply(gradient)
        return total
