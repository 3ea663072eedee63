"""A small residual network for character recognition, trained in minutes on one GPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.compute.devices import pick_precision
from hwgen.generators.adversarial.cuda_graphs import WARM_UP, CudaRecorder, Step

RandomBatches = Callable[[int], tuple[Tensor, Tensor]]
"""Number of images -> random uint8 [n, S, S] and labels int64 [n] on the device."""


@dataclass(frozen=True)
class RecogniserSettings:
    """Network and training.

    Attributes:
        steps: optimizer steps; the learning rate follows one cosine with 5 % warm-up.
        batch: images per step.
        lr: highest learning rate of AdamW.
        weight_decay: of AdamW, on tensors of more than one dimension.
        smoothing: label smoothing.
        widths: channels of the four stages.
        rotate: largest rotation, degrees.
        scale: largest change of size per axis, as a fraction.
        shear: largest shear.
        shift: largest shift, in halves of the image size.
        elastic: standard deviation of displacements at 6x6 control points, in the same unit.
    """

    steps: int = 8_000
    batch: int = 512
    lr: float = 2e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    widths: tuple[int, int, int, int] = (48, 96, 192, 384)
    rotate: float = 8.0
    scale: float = 0.15
    shear: float = 0.2
    shift: float = 0.08
    elastic: float = 0.04


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(h + self.shortcut(x))


def network(classes: int, widths: tuple[int, int, int, int]) -> nn.Sequential:
    """Images [N, 1, S, S], S = 64 (or 28 to 32), -> logits [N, classes]."""
    blocks: list[nn.Module] = [
        nn.Conv2d(1, widths[0], 5, 2, 2, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
    ]
    before = widths[0]
    for i, width in enumerate(widths):
        blocks += [Block(before, width, 1 if i == 0 else 2), Block(width, width, 1)]
        before = width
    blocks += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(before, classes)]
    return nn.Sequential(*blocks)


def augment(x: Tensor, settings: RecogniserSettings) -> Tensor:
    """Random affine and elastic distortion: float [N, 1, S, S], paper 0, ink up to 1."""
    n, size, device = len(x), x.shape[-1], x.device

    def uniform(most: float) -> Tensor:
        return (torch.rand(n, device=device) * 2 - 1) * most

    angle = uniform(settings.rotate * torch.pi / 180)
    sx, sy, shear = (
        1 + uniform(settings.scale),
        1 + uniform(settings.scale),
        uniform(settings.shear),
    )
    cos, sin = angle.cos(), angle.sin()
    theta = torch.stack(
        [
            torch.stack([cos * sx, -sin * sy + shear, uniform(settings.shift)], 1),
            torch.stack([sin * sx, cos * sy, uniform(settings.shift)], 1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [n, 1, size, size], align_corners=False)
    bends = torch.randn(n, 2, 6, 6, device=device) * settings.elastic
    bends = F.interpolate(bends, size=size, mode="bicubic", align_corners=True)
    x = F.grid_sample(x, grid + bends.permute(0, 2, 3, 1), align_corners=False)
    darker = 1 + (torch.rand(n, 1, 1, 1, device=device) - 0.5) * 0.6
    return (x * darker).clamp(0, 1)


def to_ink(x: Tensor) -> Tensor:
    """uint8 [N, S, S] -> float [N, 1, S, S]: paper 0, ink up to 1."""
    return 1 - x[:, None].float() / 255


def random_batches(images: Tensor, labels: Tensor) -> RandomBatches:
    """Uniformly random samples of images uint8 [n, S, S] with labels int64 [n]."""

    def batch(n: int) -> tuple[Tensor, Tensor]:
        at = torch.randint(len(images), (n,), device=images.device)
        return images[at], labels[at]

    return batch


def train_recogniser(
    batches: RandomBatches,
    classes: int,
    settings: RecogniserSettings,
    device: torch.device,
    *,
    seed: int,
    seconds: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[nn.Module, dict[str, Any]]:
    """Train a recogniser; the rate anneals over the steps or the seconds, whichever is ahead.

    Args:
        batches: the training data.
        classes: number of outputs.
        settings: see RecogniserSettings.
        device: where to train.
        seed: of the weights and of all random numbers on this device.
        seconds: time limit.
        stop: asked every 20 steps; True ends training early, with the weights of that moment.

    Returns:
        The network in evaluation mode, and facts about the training.
    """
    torch.manual_seed(seed)
    net = network(classes, settings.widths).to(device)
    net = net.to(memory_format=torch.channels_last)
    decayed = [p for p in net.parameters() if p.ndim > 1]
    plain = [p for p in net.parameters() if p.ndim <= 1]
    lr = torch.tensor(0.0, device=device)
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=lr,
        fused=True,
        capturable=device.type == "cuda",
    )

    def step() -> dict[str, Tensor]:
        x, y = batches(settings.batch)
        x = augment(to_ink(x), settings).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=fast, cache_enabled=False):
            logits = net(x)
        loss = F.cross_entropy(logits.float(), y, label_smoothing=settings.smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"loss": loss.detach()}

    fast = pick_precision("auto", device) == torch.bfloat16
    take_step = on_device(step, device)
    began, done, log = time.monotonic(), 0, []
    for done in range(1, settings.steps + 1):
        measured = take_step()
        if done % 20 == 0 or done < 20:
            value = measured["loss"].item()  # waits for the device, so that elapsed time is correct
            elapsed = time.monotonic() - began
            ahead = min(1.0, max(done / settings.steps, elapsed / seconds))
            warm = min(1.0, ahead / 0.05)
            lr.fill_(settings.lr * warm * 0.5 * (1 + math.cos(ahead * math.pi)))
            if done % 200 == 0:
                log.append({"step": done, "seconds": round(elapsed, 1), "loss": round(value, 4)})
                if done % 1000 == 0:
                    print("recogniser:", log[-1], flush=True)
            if elapsed >= seconds or stop():
                break
    facts = {
        "settings": asdict(settings),
        "steps_done": done,
        "images": done * settings.batch,
        "seconds": round(time.monotonic() - began, 1),
        "parameters": sum(p.numel() for p in net.parameters()),
        "log": log[:: max(1, len(log) // 20)],
    }
    return net.eval(), facts


def on_device(step: Step, device: torch.device) -> Step:
    """A step that a GPU replays as a CUDA graph, once it has run WARM_UP times.

    What changes between steps must be in tensors that keep their memory, and random numbers must
    come from the device's default generator. The next call overwrites what a call returned.
    """
    if device.type != "cuda":
        return step
    recorder, own = CudaRecorder(), torch.Generator(device)
    calls: list[Step] = []

    def call() -> dict[str, Tensor]:
        if len(calls) < WARM_UP:
            calls.append(step)
            return recorder.warm_up(step)
        if len(calls) == WARM_UP:
            calls.append(recorder.record(step, own))
        return calls[-1]()

    return call


@torch.no_grad()
def predictions(net: nn.Module, images: Tensor, candidates: Tensor | None = None) -> Tensor:
    """Predicted classes int64 [n] of uint8 [n, S, S], restricted to `candidates` if given."""
    found = []
    device = next(net.parameters()).device
    for part in images.split(2048):
        x = to_ink(part.to(device)).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = net(x).float()
        if candidates is None:
            found.append(logits.argmax(1))
        else:
            found.append(candidates[logits[:, candidates].argmax(1)])
    return torch.cat(found)


def accuracy(
    net: nn.Module, images: Tensor, labels: Tensor, candidates: Tensor | None = None
) -> float:
    """Fraction of images that are read as their label; see predictions."""
    return (predictions(net, images, candidates) == labels).float().mean().item()
