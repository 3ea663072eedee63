from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwgen
from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.generators.base import requested_classes
from hwgen.generators.samplers import Sampler, WriterSampler
from hwgen.generators.simulated.sampling import SimulatedSampler
from hwgen.imaging.framing import Framing
from hwgen.sources.simulation.samples import SimulatedSamples
from hwgen.store import Store
from hwgen.store.origin import is_generated
from hwgen.synthesis.synthesize import synthesize
from tests.generators.refiner.toy import TOY_STROKES, ToyStrokes, write_graphics

STROKES = ToyStrokes(TOY_STROKES)


@pytest.fixture
def sampler() -> Sampler:
    return hwgen.load_generator("simulated", strokes=STROKES, size=16)


def test_it_writes_what_a_refiner_starts_from(sampler: Sampler) -> None:
    assert isinstance(sampler, WriterSampler)
    assert (sampler.size, sampler.channels, sampler.classes) == (16, 1, list("一口十二刁丨"))
    images = sampler.sample("口一口", hand=7, seed=5)
    charset = Charset(("口", "一"))
    start = SimulatedSamples(charset, TOY_STROKES, Framing(16), hand=7)
    ids = np.array([0, 1, 0])
    np.testing.assert_array_equal(images, start.images(ids, np.array([0, 0, 1]), 5))
    assert (images[0] != images[2]).any()  # the hand varies its images
    by_id = sampler.sample([sampler.charset.id("口")], [1], hand=7, seed=5)
    np.testing.assert_array_equal(by_id[0], images[2])


def test_without_a_hand_each_sample_has_its_own(sampler: Sampler) -> None:
    assert isinstance(sampler, WriterSampler)
    assert len(set(sampler.writers([0] * 20, range(20), seed=3))) > 15
    assert len(np.unique(sampler.sample("一" * 20, seed=3).reshape(20, -1), axis=0)) == 20


def test_text_may_leave_the_classes() -> None:
    one = hwgen.load_generator("simulated", strokes=STROKES, charset="一", size=16, hand=2)
    assert one.classes == ["一"]
    assert one.sample("口", seed=1).shape == (1, 16, 16)
    with pytest.raises(CharsetError, match="no strokes for 2 of 3 characters: 犇骉"):
        one.sample("一犇骉")
    with pytest.raises(CharsetError, match="犇"):
        hwgen.load_generator("simulated", strokes=STROKES, charset="犇")


def test_a_store_of_samples_is_simulated_and_says_in_which_hand(tmp_path: Path) -> None:
    sampler = SimulatedSampler(STROKES, Charset(("口", "一")), framing=Framing(16), hand=7)
    store = synthesize(sampler, tmp_path / "store", per_class=3, seed=5)
    assert store is not None
    assert (store.data_kind, store.is_synthetic) == ("simulated", False)
    assert is_generated(store.manifest.origin)
    origin = store.manifest.origin
    assert (origin["kind"], origin["hand"], origin["seed"]) == ("simulated", 7, 5)
    assert origin["framing"]["size"] == 16
    assert origin["notice"] == STROKES.notice
    assert store.writers == {"hand-0007-seed-5"}
    assert {record.source for record in store} == {"simulated handwriting seed 5"}
    np.testing.assert_array_equal(store[0].image, sampler.sample([0], [0], seed=5)[0])
    # The same call returns the store; other strokes make another one.
    assert synthesize(sampler, tmp_path / "store", per_class=3, seed=5) is not None
    others = ToyStrokes({**TOY_STROKES, "口": TOY_STROKES["刁"]})
    assert SimulatedSampler(others, Charset(("口",)), framing=Framing(16)).origin != sampler.origin


def test_what_it_does_not_take_is_refused(toy_store: Store) -> None:
    for options, text in (
        ({"snapshot": "best"}, "--snapshot: the simulator does not take this"),
        ({"source": toy_store}, "--real .source.: the simulator"),
        ({"domain": "2"}, "--domain: the simulator"),
        ({"size": 2}, "size from 4 to 1024 pixels, found 2"),
        ({"hand": -1}, "hand should be a number from 0"),
    ):
        with pytest.raises(InputError, match=text):
            hwgen.load_generator("simulated", strokes=STROKES, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a simulator has nothing between two hands"):
        hwgen.load_generator("simulated", strokes=STROKES).interpolate("一", (0, 1))


@pytest.mark.parametrize("seed", [-1, 2**65, 0.5, "0"])
def test_a_seed_should_be_an_integer_from_0(sampler: Sampler, seed: Any) -> None:
    with pytest.raises(InputError, match="the seed"):
        sampler.sample("一", seed=seed)


@pytest.mark.parametrize("size", ["64", 64.5, 0])
def test_a_size_should_be_an_integer_in_range(size: Any) -> None:
    with pytest.raises(InputError, match="expected a size from"):
        hwgen.load_generator("simulated", size=size)


@pytest.mark.parametrize("file", ["run.json", "model.safetensors"])
def test_a_run_of_the_same_name_is_not_ignored(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "simulated").mkdir()
    monkeypatch.chdir(tmp_path)
    assert hwgen.load_generator("simulated").sample("一").shape[0] == 1
    (tmp_path / "simulated" / file).write_text("")
    with pytest.raises(InputError, match="comes with hwgen, and a folder here") as refused:
        hwgen.load_generator("simulated")
    assert str(tmp_path / "simulated") in refused.value.remedy


def test_classes_are_asked_for(tmp_path: Path) -> None:
    strokes = write_graphics(tmp_path / "graphics.txt", "口一")
    found = requested_classes("simulated", "1", ToyStrokes(TOY_STROKES))
    assert found == Charset(("一",))
    assert requested_classes("simulated", "口刁", STROKES) == Charset(("口", "刁"))
    with pytest.raises(InputError, match="makes any of 6 characters"):
        requested_classes("simulated", None, STROKES)
    sampler = hwgen.load_generator("simulated", strokes=strokes)
    assert (sampler.classes, sampler.size) == (["一", "口"], 64)
