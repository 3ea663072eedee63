"""Layers of G and D: label maps, TensorFlow-style convolutions, conditional batch norm."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hwgen.compute import winograd


class LabelMap(nn.Module):
    """Φ: one-hot(y) @ W + b, computed as a look-up of row y of W, plus b.

    The authors multiply one-hot labels with W, which gives the same numbers.

    Args:
        classes: number of classes.
        width: of Φ(y).
        sd: standard deviation of W at the start; b starts at 0.
    """

    def __init__(self, classes: int, width: int, sd: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, width) * sd)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, y: Tensor) -> Tensor:
        """Y int64 [N] -> [N, width]."""
        return F.embedding(y, self.weight) + self.bias

    @torch.no_grad()
    def pull_together(self, fraction: float) -> None:
        """Move the rows of W by a fraction of the way to their mean.

        So the embedding of a class with few samples stays close to the mean (Evgeniou & Pontil
        2004, Regularized multi-task learning, section 2). It is a decoupled decay (Loshchilov &
        Hutter 2019), not a term of the loss, which Adam would amplify for rows that are rarely
        updated.
        """
        # Under spectral norm the parameter is not `weight` itself.
        (rows,) = (p for p in self.parameters() if p.ndim == 2)
        rows.lerp_(rows.mean(dim=0, keepdim=True).expand_as(rows), fraction)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's 'SAME' padding of one axis: (before, after)."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def taps_inside(size: int, kernel: int, stride: int) -> list[tuple[bool, ...]]:
    """Which taps of a 'SAME' kernel are inside the map, at each of ceil(size / stride) positions.

    For one axis; each tuple has `kernel` entries.
    """
    before, _ = same_padding(size, kernel, stride)
    starts = range(-before, -before + -(-size // stride) * stride, stride)
    return [tuple(0 <= start + tap < size for tap in range(kernel)) for start in starts]


def same_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """Convolution with TensorFlow's 'SAME' padding."""
    # When an older torch traces for ONNX, sizes are tensors, which F.pad does not take.
    side, kernel = int(x.shape[-1]), int(weight.shape[-1])
    if x.shape[1] >= winograd.MANY and winograd.pays(x, -(-side // stride)):
        if (kernel, stride, side % 2) == (5, 2, 0):
            return winograd.conv5x5_halving(x, weight, bias)
        if (kernel, stride) == (3, 1):
            return winograd.winograd(x, weight, bias)
    before, after = same_padding(side, kernel, stride)
    if before == after:
        return F.conv2d(x, weight, bias, stride, before)
    return F.conv2d(F.pad(x, (before, after, before, after)), weight, bias, stride)


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's 'SAME' padding: output size = ceil(size / stride)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        """X [N, inputs, H, H] -> [N, outputs, ceil(H / stride), ...]."""
        return same_conv2d(x, self.weight, self.bias, self.stride[0])


class LabelledConv2d(SameConv2d):
    """SameConv2d of a map with Φ(y) concatenated at every position, without the concatenation.

    Φ(y) is the same at every position, so its contribution is constant except where the kernel
    overlaps the border: a few kinds of rows times a few kinds of columns. For each kind it is a
    product of Φ(y) with a sum of the kernel's taps instead of a convolution: the same numbers with
    almost no multiplications (tests/generators/adversarial/test_layers.py compares). In
    `paper-hwdb` that is half of the arithmetic of D's second convolution.

    Args:
        inputs: channels of the map.
        labels: width of Φ(y).
        outputs: channels of the output.
        kernel: size of the kernel.
        stride: of the convolution.
        side: height and width of the map.
    """

    def __init__(
        self, inputs: int, labels: int, outputs: int, kernel: int, stride: int, side: int
    ) -> None:
        super().__init__(inputs + labels, outputs, kernel, stride)
        self.labels = labels
        self.taps: Tensor
        self.kind: Tensor
        inside = taps_inside(side, kernel, stride)
        kinds = sorted(set(inside))
        kind = [kinds.index(taps) for taps in inside]
        # [kinds, kernel] and [output size]
        self.register_buffer("taps", torch.tensor(kinds, dtype=torch.float32), persistent=False)
        self.register_buffer("kind", torch.tensor(kind), persistent=False)

    def forward(self, x: Tensor, phi: Tensor) -> Tensor:  # type: ignore[override]
        """X [N, inputs, H, H], Φ(y) [N, labels] -> [N, outputs, ceil(H / stride), ...]."""
        of_map, of_label = self.weight.split([x.shape[1], self.labels], dim=1)
        # Rows before columns: the order decides the cost of einsum.
        kinds = torch.einsum("olab,qb->olaq", of_label, self.taps)
        kinds = torch.einsum("olaq,pa->pqlo", kinds, self.taps)
        offset = torch.einsum("nl,pqlo->nopq", phi, kinds)
        places = offset.index_select(2, self.kind).index_select(3, self.kind)
        return same_conv2d(x, of_map, self.bias, self.stride[0]) + places


class SameConvTranspose2d(nn.ConvTranspose2d):
    """The transpose of SameConv2d: output size = size * stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """X [N, inputs, H, H] -> [N, outputs, H * stride, ...]."""
        side = int(x.shape[-1]) * self.stride[0]
        before, _ = same_padding(side, self.kernel_size[0], self.stride[0])
        wide = F.conv_transpose2d(x, self.weight, self.bias, self.stride, padding=before)
        return wide[..., :side, :side]


class UpsampleConv2d(SameConv2d):
    """Nearest-neighbour upsampling by `factor`, then a 'SAME' 3x3 convolution of stride 1.

    For factor 2 both are computed as one transposed convolution of stride 2 with a 4x4 kernel,
    which sums the 3x3 one over the pixels that are copies of each other: the same numbers with 4/9
    of the multiplications (tests/generators/adversarial/test_layers.py compares with the two-step
    form).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, factor: int) -> None:
        super().__init__(inputs, outputs, kernel, 1)
        self.factor = factor
        self.sums: Tensor
        self.register_buffer("sums", doubling_sums(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """X [N, inputs, H, H] -> [N, outputs, H * factor, ...]."""
        if self.factor == 2 and self.kernel_size == (3, 3):
            kernel = doubling_kernel(self.weight, self.sums)
            return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)
        if self.factor > 1:
            x = F.interpolate(x, scale_factor=self.factor, mode="nearest")
        return super().forward(x)


def doubling_sums() -> Tensor:
    """Which taps of a 3x3 kernel each tap of `doubling_kernel` sums: float32 [16, 9]."""
    line = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
    return torch.kron(line, line)


def doubling_kernel(weight: Tensor, sums: Tensor) -> Tensor:
    """The kernel of the transposed convolution that is nearest upsampling, then a convolution.

    Args:
        weight: of the convolution, float [outputs, inputs, 3, 3].
        sums: see `doubling_sums`, on the weight's device.

    Returns:
        float [inputs, outputs, 4, 4], for a stride of 2 and a padding of 1.
    """
    outputs, inputs = weight.shape[:2]
    # One product with channels last, as einsum does not do: several times as fast.
    kernel = sums @ weight.permute(2, 3, 1, 0).reshape(9, -1)
    return kernel.view(4, 4, inputs, outputs).permute(2, 3, 0, 1)


class PlainNorm(nn.Module):
    """Batch norm (or nothing) with the interface of ConditionalNorm; ignores the condition."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """X [N, C, ...] -> the same shape."""
        out: Tensor = self.norm(x)
        return out


class ConditionalNorm(nn.Module):
    """Batch norm whose gain and bias are linear in a condition (de Vries et al. 2017; BigGAN).

    Args:
        channels: of the map.
        width: of the condition (z, Φ(y)).
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain_and_bias = nn.Linear(width, 2 * channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """X [N, C, H, W], condition [N, width] -> [N, C, H, W]."""
        gain, bias = self.gain_and_bias(condition)[:, :, None, None].chunk(2, dim=1)
        gain = 1 + gain
        if self.training:
            return torch.addcmul(bias, self.norm(x), gain)
        # Running statistics are constants: fold both steps into one multiplication and addition.
        mean, variance = self.norm.running_mean, self.norm.running_var
        assert mean is not None
        assert variance is not None
        scale = (variance + self.norm.eps).rsqrt()[:, None, None] * gain
        return torch.addcmul(bias - mean[:, None, None] * scale, x, scale)


def join(h: Tensor, phi: Tensor | None) -> Tensor:
    """Concatenate Φ(y) [N, W] to h [N, C], or at every position of a map [N, C, H, W]."""
    if phi is None:
        return h
    phi = phi.to(h.dtype).reshape(*phi.shape, *[1] * (h.ndim - 2))
    return torch.cat([h, phi.expand(-1, -1, *h.shape[2:])], dim=1)


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(p.numel() for p in module.parameters())


def initialise(module: nn.Module, how: str, slope: float) -> None:
    """Initialise the weights of a network, except label maps, which initialise themselves.

    Args:
        module: G or D.
        how: "normal": standard deviation 0.02, truncated at two of them for D's convolutions, as
            the authors; "he": He et al. 2015 for a leaky ReLU with the given slope.
        slope: of the network's activation.
    """
    for part in module.modules():
        if not isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            continue
        if how == "he":
            nn.init.kaiming_normal_(part.weight, a=slope)
        elif isinstance(part, nn.Conv2d):
            nn.init.trunc_normal_(part.weight, std=0.02, a=-0.04, b=0.04)
        else:
            nn.init.normal_(part.weight, std=0.02)
        if part.bias is not None:
            nn.init.zeros_(part.bias)
    for part in module.modules():
        if isinstance(part, ConditionalNorm):
            # The gain is almost the same for all samples at the start.
            nn.init.normal_(part.gain_and_bias.weight, std=0.02)
