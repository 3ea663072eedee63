from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.recogniser.network import RecogniserNetwork, RecogniserRecipe
from hwgen.recogniser.reader import Recogniser
from hwgen.recogniser.score import Scorer
from hwgen.store import Store

MakeStore = Callable[..., Store]


def recogniser(toy: RecogniserRecipe, labels: str = "一丨十", channels: int = 1) -> Recogniser:
    torch.manual_seed(0)
    network = RecogniserNetwork(toy, len(labels), channels)
    return Recogniser(network, toy, Charset(tuple(labels)), channels=channels)


def test_real_samples_have_the_real_variety(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    store = make_store("real", per_class=10)
    reader = recogniser(toy)
    found = Scorer(reader, store, 16)(store.all_images(), store.labels)
    assert found["diversity"] == pytest.approx(1)
    right = reader.read(store.all_images()).argmax(axis=1) == store.labels
    assert found["purity"] == pytest.approx(right.mean())


def test_copies_have_no_variety_and_half_of_it_is_half(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store = make_store("real", per_class=10)
    images, ids = store.all_images(), store.labels
    copies = np.stack([images[ids == class_id][0] for class_id in ids])
    score = Scorer(recogniser(toy), store, 16)
    assert score(copies, ids)["diversity"] == 0
    faint = np.rint(images / 2).astype(np.uint8)
    assert score(faint, ids)["diversity"] == pytest.approx(0.5, abs=0.02)


def test_other_classes_sizes_and_channels_are_refused(
    make_store: MakeStore, toy: RecogniserRecipe
) -> None:
    store = make_store("real", size=16)
    with pytest.raises(CharsetError, match="not the same in the same order"):
        Scorer(recogniser(toy, "丨一十"), store, 16)
    with pytest.raises(InputError, match=r"16 pixels or more .* the samples have 8 and 1"):
        Scorer(recogniser(toy), store, 8)
    with pytest.raises(InputError, match="with 3 channels"):
        Scorer(recogniser(toy, channels=3), store, 16)
    assert Scorer(recogniser(replace(toy, size=8)), store, 8)


def test_a_store_without_variety_is_refused(make_store: MakeStore, toy: RecogniserRecipe) -> None:
    with pytest.raises(InputError, match="no class has two different samples"):
        Scorer(recogniser(toy), make_store("single", size=16, per_class=1), 16)
