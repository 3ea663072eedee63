import copy

import pytest
import torch

from hwgen.generators.adversarial.estimate import count_parameters
from hwgen.generators.adversarial.layers import parameter_count
from hwgen.generators.adversarial.steps import make_state
from hwgen.generators.refiner.generator import RefinerGenerator, build, build_without_images
from hwgen.generators.refiner.recipe import RefinerRecipe

CPU = torch.device("cpu")


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8, generator=generator)


def test_the_average_shares_the_images_and_no_file_has_them(
    recipe: RefinerRecipe, images: torch.Tensor
) -> None:
    state = make_state(lambda r, count: build(r, count, images), recipe, 3, 0, CPU)
    assert state.ema is not state.g
    assert state.ema.simulated.data_ptr() == state.g.simulated.data_ptr() == images.data_ptr()
    assert not any(t.shape[-2:] == (16, 16) for t in state.g.state_dict().values())
    assert set(state.g.state_dict()) == set(state.ema.state_dict())
    for ours, theirs in zip(state.g.parameters(), state.ema.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.data_ptr() != theirs.data_ptr()


def test_the_last_number_of_the_noise_chooses_the_hand(
    recipe: RefinerRecipe, images: torch.Tensor
) -> None:
    g = RefinerGenerator(recipe, images).eval()
    seen = []
    g.net.forward = lambda x, z, domain: seen.append((x, z)) or x  # type: ignore[method-assign]
    noise = torch.zeros(4, recipe.generator.z_dim + 1)
    noise[:, -1] = torch.tensor([0.0, 0.34, 0.67, 1 - 2**-24])
    g(noise, torch.tensor([0, 1, 2, 2]))
    ((x, z),) = seen
    assert z.shape == (4, recipe.generator.z_dim)
    expected = images[[0, 1, 2, 2], [0, 1, 2, 2]][:, None].float()
    torch.testing.assert_close(x, expected / 127.5 - 1)


def test_noise_is_of_the_generator_alone(recipe: RefinerRecipe, images: torch.Tensor) -> None:
    g = RefinerGenerator(recipe, images)
    first, second = (g.sample_noise(64, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == (64, recipe.generator.z_dim + 1)
    assert 0 <= first[:, -1].min() < 0.2 < 0.8 < first[:, -1].max() < 1


def test_a_copy_is_on_the_device_and_in_the_mode_of_the_original(
    recipe: RefinerRecipe, images: torch.Tensor
) -> None:
    g = RefinerGenerator(recipe, images).to("meta")
    assert g.simulated.device.type == "meta"
    assert copy.deepcopy(g).simulated.device.type == "meta"


def test_parameters_are_counted_without_images(recipe: RefinerRecipe, images: torch.Tensor) -> None:
    g, d = build(recipe, 3, images)
    counts = (parameter_count(g), parameter_count(d))
    assert count_parameters(build_without_images, recipe, 3) == counts
