# ruff: noqa: F811 -- fixtures are imported by their names
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.errors import CharsetError, InputError
from hwgen.evaluation.metrics.near_copies import Spacing
from hwgen.evaluation.notes import notes
from hwgen.evaluation.set_statistics import collect_statistics
from hwgen.progress import Control
from hwgen.recogniser.inference import Recogniser
from hwgen.record import Image
from hwgen.store import Store
from hwgen.synthesis.near_copy_filter import NearCopyFilter
from tests.evaluation.conftest import make_store, recogniser, toy  # noqa: F401

MakeStore = Callable[..., Store]
SIZE = 16


def filter_of(real: Store, labels: str = "一丨十", **options: object) -> NearCopyFilter:
    found = NearCopyFilter.of(real, Charset(tuple(labels)), size=SIZE, channels=1, **options)
    assert found is not None
    return found


def noisy(images: Image, most: int, seed: int = 5) -> Image:
    change = np.random.default_rng(seed).integers(-most, most + 1, images.shape)
    return np.clip(images.astype(int) + change, 0, 255).astype(np.uint8)


def test_copies_are_rejected_and_new_writing_is_accepted(make_store: MakeStore) -> None:
    real, new = make_store(1, per_class=40), make_store(2, per_class=40)
    near_copies = filter_of(real)
    assert not near_copies(real.all_images(), real.labels).any()
    assert not near_copies(noisy(real.all_images(), 3), real.labels).any()
    assert near_copies(new.all_images(), new.labels).mean() > 0.9
    # Only samples of the same class are copies.
    assert near_copies(real.all_images(), (real.labels + 1) % 3).all()
    assert near_copies(np.empty((0, SIZE, SIZE), np.uint8), np.empty(0, np.int64)).tolist() == []


@pytest.mark.parametrize("with_features", [False, True])
def test_accepted_samples_are_those_an_evaluation_does_not_count(
    make_store: MakeStore, recogniser: Recogniser, with_features: bool
) -> None:
    real = make_store(1, per_class=30)
    blend = noisy(real.all_images(), 60)
    blend[::2] = noisy(real.all_images(), 3)[::2]
    images = {c: list(blend[real.labels == i]) for i, c in enumerate("一丨十")}
    bent = make_store(7, kind="synthetic", images=images)
    keep = filter_of(real, recogniser=recogniser if with_features else None)
    passed = keep(bent.all_images(), bent.labels)
    assert 0 < passed.mean() < 1

    def shares(kept: np.ndarray) -> dict[str, float]:
        some = bent.all_images()[kept]
        labels = bent.labels[kept]
        chosen = {c: list(some[labels == i]) for i, c in enumerate("一丨十") if (labels == i).any()}
        store = make_store(8, kind="synthetic", images=chosen)
        statistics = collect_statistics(store, real, None, recogniser, max_samples=99, seed=0)
        assert statistics is not None
        results = {space: test.result() for space, test in statistics.copy_tests.items()}
        return {space: found.fraction for space, found in results.items() if found is not None}

    before, after = shares(np.ones(len(bent), bool)), shares(passed)
    spaces = ("pixels", "features") if with_features else ("pixels",)
    assert sum(before[space] for space in spaces) > 0
    assert [after[space] for space in spaces] == [0.0] * len(spaces)
    if not with_features:
        assert passed.mean() == pytest.approx(1 - before["pixels"])


def test_settings_have_the_data_and_the_limits(
    make_store: MakeStore, recogniser: Recogniser
) -> None:
    real = make_store(1)
    plain, both = filter_of(real).settings, filter_of(real, recogniser=recogniser).settings
    assert plain["no_copies"] == both["no_copies"] == real.manifest.content_sha256
    assert set(plain["limits"]) == {"pixels"}
    assert set(both["limits"]) == {"pixels", "features"}
    assert 0 < plain["limits"]["pixels"] < 1
    assert plain["limits"]["pixels"] == both["limits"]["pixels"]


def test_classes_without_a_unit_use_the_median_unit(make_store: MakeStore) -> None:
    whole = make_store(1, per_class=30)
    images = {c: list(whole.all_images()[whole.labels == i]) for i, c in enumerate("一丨十")}
    images["丨"] = images["丨"][:1]
    del images["十"]
    real = make_store(3, images=images)
    near_copies = filter_of(real)
    assert not near_copies(real.all_images(), real.labels).any()
    new = make_store(2, per_class=30)
    assert near_copies(new.all_images(), new.labels)[new.labels == 1].mean() > 0.9
    # Classes without real samples have no copies.
    assert near_copies(new.all_images(), new.labels)[new.labels == 2].all()


def test_a_repeated_scan_does_not_change_the_limits(make_store: MakeStore) -> None:
    once = make_store(1, per_class=20)
    images = {c: list(once.all_images()[once.labels == i]) * 2 for i, c in enumerate("一丨十")}
    twice = make_store(5, images=images)
    assert filter_of(twice).settings["limits"] == filter_of(once).settings["limits"]


def test_classes_are_found_by_their_characters(make_store: MakeStore) -> None:
    real = make_store(1, per_class=20)
    near_copies = filter_of(real, "永十一丨", class_ids=[1, 2])
    images, own = real.all_images(), np.array([2, 3, 1])[real.labels]
    assert (
        near_copies(images, own).tolist() == (own == 3).tolist()
    )  # 3 is not among the given classes


def test_distances_are_measured_class_by_class_and_can_be_stopped(make_store: MakeStore) -> None:
    told: list[tuple[int, int]] = []
    real = make_store(1)
    filter_of(real, control=Control(lambda done, total, _: told.append((done, total))))
    assert told == [(1, 3), (2, 3), (3, 3)]
    charset = Charset(tuple("一丨十"))
    assert (
        NearCopyFilter.of(real, charset, size=SIZE, channels=1, control=Control(stop=lambda: True))
        is None
    )


def test_unsuitable_stores_are_refused(make_store: MakeStore, recogniser: Recogniser) -> None:
    real = make_store(1)
    with pytest.raises(CharsetError, match="no sample of the requested classes"):
        filter_of(real, "永")
    with pytest.raises(
        InputError, match=r"expected 3 channels, found 1\. Rerun prepare-images with --colour"
    ):
        NearCopyFilter.of(real, real.charset, size=SIZE, channels=3)
    with pytest.raises(InputError, match="at least 8 pixels, found 7"):
        NearCopyFilter.of(real, real.charset, size=7, channels=1, recogniser=recogniser)
    one = make_store(4, images={"一": [np.zeros((SIZE, SIZE), np.uint8)] * 3})
    with pytest.raises(InputError, match="no class has two different samples"):
        filter_of(one)


def test_a_spacing_is_in_its_own_unit() -> None:
    found = Spacing.of(np.array([[0.0], [1.0], [3.0]], np.float32))
    assert found is not None
    assert found.unit == 1
    assert asdict(found)["distances"].tolist() == [1, 1, 2]
    assert Spacing.of(np.zeros((1, 1), np.float32)) is None
    assert Spacing.of(np.zeros((3, 1), np.float32)) is None


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        ("same", "too near to a real sample of --real were rejected"),
        ("other", "of another store than --real"),
        (None, ""),
    ],
)
def test_notes_tell_that_copies_were_rejected(
    make_store: MakeStore, kept: str | None, text: str
) -> None:
    real = make_store(1)
    of = {"same": real.manifest.content_sha256, "other": "0" * 64}
    filtered: object = {"no_copies": of[kept]} if kept else "no filter of ours"
    drawn = make_store(6, kind="synthetic", origin={"filter": filtered})
    lines = notes(
        drawn,
        real,
        None,
        recogniser_file=None,
        recogniser_data=set(),
        generator_data=(),
        epochs=None,
        compared=1,
        repeated=0,
        copies=None,
    )
    assert sum("rejected" in line for line in lines) == bool(kept)
    assert any(text in line for line in lines)
    assert not any("filtered by" in line for line in lines)
