import numpy as np
import pytest

from hwgen.imaging.framing import Framing
from hwgen.sources.simulation.handwriting import simulate_framed
from hwgen.sources.simulation.images import PackedItem, SimulatedInk, render_items
from hwgen.sources.simulation.pen import Item

CROSS = (
    np.array([[15.0, 50.0], [55.0, 48.0], [95.0, 47.0]]),
    np.array([[54.0, 12.0], [55.0, 60.0], [54.0, 96.0]]),
)
HOOK = (np.array([[20.0, 20.0], [80.0, 18.0], [78.0, 90.0], [66.0, 84.0]]),)
ITEMS = [
    Item(strokes, number, 2**63 - 1, writer, repeat)
    for writer in range(1, 30)
    for number, strokes in enumerate((CROSS, HOOK))
    for repeat in (0, 1)
]


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_render_what_one_call_renders(workers: int) -> None:
    batches = render_items(iter(ITEMS), Framing(size=32), workers=workers)
    images = np.concatenate([images.copy() for images in batches])
    np.testing.assert_array_equal(images, simulate_framed(ITEMS, Framing(size=32)))


def test_no_items_give_no_images() -> None:
    assert not list(render_items([], Framing(size=16)))


def test_a_raw_is_rendered_into_a_given_array() -> None:
    raws = [PackedItem("十", "001", "here", 0, item).raw for item in ITEMS[:5]]
    out = np.empty((5, 32, 32), np.uint8)
    ink = SimulatedInk(Framing(size=32))
    assert ink.apply_batch(raws, out) is out
    np.testing.assert_array_equal(out, ink.apply_batch(raws))
