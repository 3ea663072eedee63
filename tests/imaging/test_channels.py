import numpy as np
from PIL import Image as PilImage

from hwgen.imaging.channels import to_channels


def test_channels_of_arrays_are_changed_as_pillow_does() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    grey = colour[:, :, 1]
    assert to_channels(grey, 1) is grey
    assert to_channels(colour, 3) is colour
    by_pillow = np.asarray(PilImage.fromarray(grey).convert("RGB"))
    np.testing.assert_array_equal(to_channels(grey, 3), by_pillow)
    by_pillow = np.asarray(PilImage.fromarray(colour).convert("L"))
    np.testing.assert_array_equal(to_channels(colour, 1), by_pillow)
