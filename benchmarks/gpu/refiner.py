"""The refiner at 64 pixels: an LSGAN whose generator starts from simulated handwriting.

G takes a simulated image of a character and noise, deforms the image by a smooth flow field and
changes its ink. D sees real and refined images with their class (projection). G learns a style that
does not depend on the class, so it also refines classes that D has never seen. Recipe: LSGAN
(0, 1, 1), lazy R1 on real images, Adam, moving average of G.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gpu.captured import Captured
from hwgen.compute.devices import pick_precision


@dataclass(frozen=True)
class RefinerSettings:
    """How the refiner is trained.

    Attributes:
        steps: of D and G each.
        batch: real images per step.
        z_dim: size of the noise vector.
        flow: bound of the coarse flow, in halves of the image size; the fine flow has a third.
        lr: of both networks; falls to a tenth over the last third of the steps.
        r1: gamma of R1 per image, applied every fourth step.
        ema: decay of G's moving average.
        width: multiplies all channel counts.
    """

    steps: int = 40_000
    batch: int = 128
    z_dim: int = 32
    flow: float = 0.3
    lr: float = 4e-4
    r1: float = 0.3
    ema: float = 0.999
    width: float = 1.0


class ConditionalNorm(nn.Module):
    """Batch norm followed by a scale and shift that depend on w, then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale_shift = nn.Linear(64, 2 * channels)
        nn.init.normal_(self.scale_shift.weight, 0, 0.05)
        nn.init.zeros_(self.scale_shift.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        scale, shift = self.scale_shift(w)[..., None, None].chunk(2, 1)
        return F.relu(self.norm(x) * (1 + scale) + shift)


class RefinerGenerator(nn.Module):
    """Simulated image [N, 1, 64, 64] in [-1, 1] (paper 1) and z [N, z_dim] -> refined image."""

    def __init__(self, settings: RefinerSettings) -> None:
        super().__init__()
        c0, c1, c2, c3 = (8 * round(c * settings.width / 8) for c in (32, 64, 96, 160))
        self.flow_bound = settings.flow
        self.mapping = nn.Sequential(
            nn.Linear(settings.z_dim, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2)
        )
        down = [(1, c0), (c0, c1), (c1, c2), (c2, c3)]
        self.down = nn.ModuleList(nn.Conv2d(i, o, 4, 2, 1) for i, o in down)  # 32, 16, 8, 4
        self.middle = nn.Conv2d(c3, c3, 3, 1, 1)
        self.up8 = nn.Conv2d(c3 + c2, c2, 3, 1, 1)
        self.up16 = nn.Conv2d(c2 + c1, c1, 3, 1, 1)
        self.up32 = nn.Conv2d(c1 + c0, c0, 3, 1, 1)
        self.up64 = nn.Conv2d(c0 + 1, 24, 3, 1, 1)
        self.flow8, self.flow16 = nn.Conv2d(c2, 2, 3, 1, 1), nn.Conv2d(c1, 2, 3, 1, 1)
        self.ink = nn.Conv2d(24, 1, 3, 1, 1)
        for layer, deviation in ((self.flow8, 0.005), (self.flow16, 0.003), (self.ink, 0.01)):
            nn.init.normal_(layer.weight, 0, deviation)  # G starts as almost the identity
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        widths = (c0, c1, c2, c3, c3, c2, c1, c0, 24)
        self.norms = nn.ModuleList(ConditionalNorm(c) for c in widths)
        axis = (torch.arange(64) + 0.5) / 32 - 1
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)[None]
        self.grid: Tensor
        self.register_buffer("grid", grid)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        w, n = self.mapping(z), self.norms
        skips = []
        h = x
        for i, conv in enumerate(self.down):
            h = n[i](conv(h), w)
            skips.append(h)
        h = n[4](self.middle(h), w)
        h = n[5](self.up8(torch.cat([_upsample(h), skips[2]], 1)), w)
        flow8 = torch.tanh(self.flow8(h).float()) * self.flow_bound
        h = n[6](self.up16(torch.cat([_upsample(h), skips[1]], 1)), w)
        flow16 = torch.tanh(self.flow16(h).float()) * (self.flow_bound / 3)
        flow = _resize_flow(flow8) + _resize_flow(flow16)
        grid = self.grid + flow.permute(0, 2, 3, 1)
        warped = F.grid_sample(x.float() - 1, grid, align_corners=False) + 1
        h = _upsample(n[7](self.up32(torch.cat([_upsample(h), skips[0]], 1)), w)).float()
        h = torch.cat([F.grid_sample(h, grid, align_corners=False), warped], 1)
        h = n[8](self.up64(h), w)
        return torch.tanh(1.5 * warped + self.ink(h).float())


class RefinerDiscriminator(nn.Module):
    """D(x | Phi(y)): image [N, 1, 64, 64], class [N] -> [N], by projection, without norms."""

    def __init__(self, classes: int, settings: RefinerSettings) -> None:
        super().__init__()
        c = [8 * round(c * settings.width / 8) for c in (32, 64, 128, 192)]
        pairs = list(zip([1, *c[:-1]], c, strict=True))
        convs: list[nn.Module] = [nn.Conv2d(i, o, 4, 2, 1) for i, o in pairs]
        self.convs = nn.ModuleList([*convs, nn.Conv2d(c[-1], c[-1], 3, 1, 1)])
        self.hidden, self.out = nn.Linear(c[-1] * 16, 256), nn.Linear(256, 1)
        self.phi = nn.Embedding(classes, 256)
        nn.init.normal_(self.phi.weight, 0, 0.1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        h = F.leaky_relu(self.hidden(x.flatten(1)), 0.2)
        return (self.out(h)[:, 0] + (self.phi(y) * h).sum(1) / 16).float()


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2)


def _resize_flow(flow: Tensor) -> Tensor:
    return F.interpolate(flow, size=64, mode="bicubic", align_corners=False)


def to_float(x: Tensor) -> Tensor:
    """uint8 [N, S, S] -> float [N, 1, S, S] in [-1, 1]; paper is 1."""
    return x[:, None].float() / 127.5 - 1


class RefinerStep:
    """One training step of D, then of G, on random samples.

    Args:
        real: uint8 [n, 64, 64] on the device.
        labels: int64 [n], below `classes`.
        simulated: uint8 [at least classes, hands, 64, 64] on the device.
        classes: number of seen classes.
        settings: see RefinerSettings.

    Attributes:
        g: generator.
        d: discriminator.
        average: moving average of g, in evaluation mode.
        lr: learning rate of both networks, a tensor on the device.
    """

    def __init__(
        self,
        real: Tensor,
        labels: Tensor,
        simulated: Tensor,
        classes: int,
        settings: RefinerSettings,
    ) -> None:
        self._real, self._labels, self._simulated = real, labels, simulated
        self._settings, self._device = settings, real.device
        self.g, self.d = RefinerGenerator(settings), RefinerDiscriminator(classes, settings)
        self.average = RefinerGenerator(settings)
        self.average.load_state_dict(self.g.state_dict())
        for network in (self.g, self.d, self.average):
            network.to(self._device).to(memory_format=torch.channels_last)
        self.average.requires_grad_(False).eval()
        self.lr = torch.tensor(settings.lr, device=self._device)
        cuda = self._device.type == "cuda"
        self._optimizer_g, self._optimizer_d = (
            torch.optim.Adam(n.parameters(), self.lr, (0.5, 0.99), fused=True, capturable=cuda)
            for n in (self.g, self.d)
        )
        self._fast = pick_precision("auto", self._device) == torch.bfloat16

    def __call__(self, penalised: bool) -> Tensor:
        """Take one step, with the R1 penalty if `penalised`: [loss_d, loss_g, d_real, d_fake]."""
        settings, device, d = self._settings, self._device, self.d
        at = torch.randint(len(self._real), (settings.batch,), device=device)
        hand = torch.randint(self._simulated.shape[1], (settings.batch,), device=device)
        x, y = to_float(self._real[at]), self._labels[at]
        s = to_float(self._simulated[y, hand])
        z = torch.randn(settings.batch, settings.z_dim, device=device)
        with self._autocast():
            fake = self.g(s, z)
        x.requires_grad_(penalised)
        with self._autocast():
            d_real, d_fake = d(x, y), d(fake.detach(), y)
        loss = 0.5 * ((d_real - 1) ** 2).mean() + 0.5 * (d_fake**2).mean()
        total = loss
        if penalised:
            (gradient,) = torch.autograd.grad(d_real.sum(), x, create_graph=True)
            total = total + 2 * settings.r1 * gradient.float().square().sum((1, 2, 3)).mean()
        self._optimizer_d.zero_grad(set_to_none=True)
        total.backward()
        self._optimizer_d.step()
        for p in d.parameters():
            p.requires_grad_(False)
        with self._autocast():
            loss_g = 0.5 * ((d(fake, y) - 1) ** 2).mean()
        self._optimizer_g.zero_grad(set_to_none=True)
        loss_g.backward()
        self._optimizer_g.step()
        for p in d.parameters():
            p.requires_grad_(True)
        self._update_average()
        return torch.stack([loss.detach(), loss_g.detach(), d_real.mean(), d_fake.mean()]).detach()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._fast, cache_enabled=False
        )

    @torch.no_grad()
    def _update_average(self) -> None:
        for mean, value in zip(self.average.parameters(), self.g.parameters(), strict=True):
            mean.lerp_(value, 1 - self._settings.ema)
        for buffer, current in zip(self.average.buffers(), self.g.buffers(), strict=True):
            buffer.copy_(current)


def train_refiner(
    step: RefinerStep,
    settings: RefinerSettings,
    *,
    seconds: float,
    report: Callable[[int, dict[str, float], RefinerGenerator], None],
    every: int = 2000,
) -> tuple[RefinerGenerator, dict[str, Any]]:
    """Train G and D on the seen classes.

    Args:
        step: with the data.
        settings: see RefinerSettings.
        seconds: time limit; the learning rate follows the time or the steps, whichever is ahead.
        report: called every `every` steps with the step, losses, and the moving average of G.
        every: steps between reports.

    Returns:
        G's moving average in evaluation mode, and facts about the training.
    """
    device = step.lr.device
    plain, with_penalty = (
        Captured(lambda: step(False), device),
        Captured(lambda: step(True), device),
    )
    began, done, log = time.monotonic(), 0, []
    for done in range(1, settings.steps + 1):
        logged = (with_penalty if done % 4 == 0 else plain)()
        if done % 100 == 0 or done % every == 0:
            if device.type == "cuda":
                torch.cuda.synchronize()
            elapsed = time.monotonic() - began
            ahead = max(done / settings.steps, elapsed / seconds)
            step.lr.fill_(settings.lr * (1 if ahead < 2 / 3 else 0.1 ** ((ahead - 2 / 3) * 3)))
            if done % every == 0 or elapsed > seconds:
                names = ("loss_d", "loss_g", "d_real", "d_fake")
                values = dict(zip(names, (round(v, 4) for v in logged.tolist()), strict=True))
                log.append({"step": done, "seconds": round(elapsed, 1), **values})
                report(done, values, step.average)
            if elapsed > seconds:
                break
    facts = {
        "settings": asdict(settings),
        "steps_done": done,
        "seconds": round(time.monotonic() - began, 1),
        "parameters_g": sum(p.numel() for p in step.g.parameters()),
        "parameters_d": sum(p.numel() for p in step.d.parameters()),
        "log": log,
    }
    return step.average, facts


@torch.no_grad()
def refine(g: RefinerGenerator, simulated: Tensor, per_class: int, *, seed: int) -> Tensor:
    """Refined images of every class.

    Args:
        g: a trained generator.
        simulated: uint8 [classes, hands, 64, 64] on its device.
        per_class: images of each class; image i starts from hand i modulo the number of hands.
        seed: of z, one for each class and image.

    Returns:
        uint8 [classes, per_class, 64, 64] on the same device.
    """
    classes, hands = simulated.shape[:2]
    device = simulated.device
    first = g.mapping[0]
    assert isinstance(first, nn.Linear)
    random = torch.Generator(device).manual_seed(seed)
    out = torch.empty((classes, per_class, 64, 64), dtype=torch.uint8, device=device)
    for i in range(per_class):
        for part in torch.arange(classes, device=device).split(1024):
            z = torch.randn((len(part), first.in_features), generator=random, device=device)
            x = g(to_float(simulated[part, i % hands]), z)
            out[part, i] = ((x[:, 0] + 1) * 127.5).round().clamp(0, 255).byte()
    return out
