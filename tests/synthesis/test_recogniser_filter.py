# ruff: noqa: F811 -- fixtures are imported by their names
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.compute.tensor_files import file_hash
from hwgen.errors import CharsetError, InputError, RunError
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.store import Store
from hwgen.synthesis.recogniser_filter import RecogniserFilter, certainty
from tests.recogniser.conftest import make_store, toy  # noqa: F401

MakeStore = Callable[..., Store]
CPU = torch.device("cpu")


def saved(path: Path, toy: RecogniserRecipe, labels: str = "一丨十", channels: int = 1) -> Path:
    """A recogniser with random weights; its output differs between images."""
    torch.manual_seed(1)
    network = RecogniserNetwork(toy, len(labels), channels)
    with torch.no_grad():
        network[-1].weight.mul_(20)
    Recogniser(network, toy, Charset(tuple(labels)), channels=channels).save(path)
    return path


def test_confidence_and_margin_are_of_the_label() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.5, 0.5, 0.0]], np.float32)
    confidence, margin = certainty(probabilities, np.array([0, 2, 0]))
    assert confidence == pytest.approx([0.7, 0.1, 0.5])
    assert margin == pytest.approx([0.5, -0.6, 0.0])
    assert probabilities[0, 0] == np.float32(0.7)  # unchanged
    assert certainty(np.ones((2, 1), np.float32), np.zeros(2, np.int64))[1].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("confidence", "margin"), [(0.0, 0.0), (0.6, 0.0), (0.0, 0.5), (0.5, 0.3), (1.0, 1.0)]
)
def test_accepted_samples_meet_both_thresholds(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path, confidence: float, margin: float
) -> None:
    store = make_store("real", per_class=20)
    file = saved(tmp_path / "rec.safetensors", toy)
    sample_filter = RecogniserFilter(
        file,
        store.charset,
        size=16,
        channels=1,
        device=CPU,
        min_confidence=confidence,
        min_margin=margin,
    )
    passed = sample_filter(store.all_images(), store.labels)
    probabilities = Recogniser.load(file, CPU).read(store.all_images())
    for row, label, passes in zip(probabilities, store.labels, passed, strict=True):
        second, best = np.sort(row)[-2:]
        expected = row.argmax() == label and best >= confidence and best - second >= margin
        assert passes == expected
    assert sample_filter.settings == {
        "recogniser": file_hash(file),
        "min_confidence": confidence,
        "min_margin": margin,
    }
    if confidence == margin == 0:
        assert 0 < passed.sum() < len(passed)


def test_a_recogniser_with_more_classes_in_another_order_works(
    make_store: MakeStore, toy: RecogniserRecipe, tmp_path: Path
) -> None:
    store = make_store("real", per_class=20)
    file = saved(tmp_path / "rec.safetensors", toy, "永十一丨")
    sample_filter = RecogniserFilter(
        file, store.charset, size=16, channels=1, device=CPU, min_confidence=0, min_margin=0
    )
    read = Recogniser.load(file, CPU).read(store.all_images()).argmax(axis=1)
    expected = np.array(list("永十一丨"))[read] == np.array(list("一丨十"))[store.labels]
    assert sample_filter(store.all_images(), store.labels).tolist() == expected.tolist()


def test_unknown_characters_matter_only_if_requested(toy: RecogniserRecipe, tmp_path: Path) -> None:
    file = saved(tmp_path / "rec.safetensors", toy, "一丨")
    charset = Charset(tuple("十一丨永"))
    with pytest.raises(CharsetError, match=r"has 2 classes, but not these 2 of 4: 十永"):
        RecogniserFilter(file, charset, size=16, channels=1, device=CPU)
    with pytest.raises(CharsetError, match=r"not these 1 of 2: 永"):
        RecogniserFilter(file, charset, [3, 1], size=16, channels=1, device=CPU)
    sample_filter = RecogniserFilter(file, charset, [2, 1], size=16, channels=1, device=CPU)
    assert sample_filter(np.zeros((2, 16, 16), np.uint8), np.array([1, 2])).shape == (2,)


def test_unsuitable_files_sizes_channels_and_thresholds(
    toy: RecogniserRecipe, tmp_path: Path
) -> None:
    file = saved(tmp_path / "rec.safetensors", toy)
    charset = Charset(tuple("一丨十"))
    with pytest.raises(InputError, match="at least 8 pixels, found 7"):
        RecogniserFilter(file, charset, size=7, channels=1, device=CPU)
    with pytest.raises(InputError, match="reads grey images, found colour ones"):
        RecogniserFilter(file, charset, size=16, channels=3, device=CPU)
    with pytest.raises(RunError, match="no recogniser here"):
        RecogniserFilter(tmp_path / "none", charset, size=16, channels=1, device=CPU)
    for wrong in ({"min_confidence": 1.1}, {"min_margin": -0.1}):
        with pytest.raises(InputError, match="must be between 0 and 1"):
            RecogniserFilter(file, charset, size=16, channels=1, device=CPU, **wrong)
    smaller = saved(tmp_path / "small.safetensors", replace(toy, size=8))
    assert RecogniserFilter(smaller, charset, size=16, channels=1, device=CPU)
