import torch
import torch.nn.functional as F

from hwgen.imaging import warps


def amplitudes(count: int, points: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 2, 3 + points**2, generator=generator)


def test_fields_are_affine_grids_plus_bicubic_displacements() -> None:
    given = amplitudes(3, 4)
    affine = F.affine_grid(given[:, :, :3].contiguous(), [3, 1, 12, 12], align_corners=False)
    points = given[:, :, 3:].unflatten(2, (4, 4))
    smooth = F.interpolate(points, size=(12, 12), mode="bicubic", align_corners=True)
    expected = affine + smooth.permute(0, 2, 3, 1)
    torch.testing.assert_close(warps.sampling_grid(given, 12), expected, atol=1e-5, rtol=1e-5)


def test_a_field_moves_images_of_any_size_alike() -> None:
    given = torch.cat([torch.eye(2, 3).expand(1, 2, 3), amplitudes(1, 4) * 0.05], dim=2)[:, :, :19]
    y, x = torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="ij")
    large = torch.exp(-8 * (x**2 + y**2))[None, None]
    small = F.avg_pool2d(large, 2)
    moved = F.avg_pool2d(warps.sample_bilinear(large, warps.sampling_grid(given, 64)), 2)
    torch.testing.assert_close(
        warps.sample_bilinear(small, warps.sampling_grid(given, 32)), moved, atol=0.02, rtol=0
    )


def test_outside_is_paper_and_gradients_flow() -> None:
    given = torch.cat([torch.eye(2, 3).expand(1, 2, 3), torch.zeros(1, 2, 16)], dim=2).clone()
    given[0, 0, 2] = 1.0  # look half the side further to the right
    given.requires_grad_()
    moved = warps.sample_bilinear(torch.ones(1, 1, 8, 8), warps.sampling_grid(given, 8))
    assert moved[..., :4].min() == 1
    assert moved[..., 5:].max() == 0
    moved.sum().backward()
    assert given.grad is not None
    assert given.grad.abs().sum() > 0
