from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.errors import InputError, StoreError
from hwgen.exports import export_store
from hwgen.imaging.framing import Framing
from hwgen.prepare import PrepareOptions, prepare_gnt, prepare_strokes
from hwgen.progress import Control
from hwgen.sources.simulation.gnt_folder import simulate
from hwgen.store import Store
from hwgen.store.origin import is_simulated, notice
from tests.strokes import STROKES, Drawn


class Filed(Drawn):
    """The same strokes, with a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        return self._path


@pytest.fixture
def strokes(tmp_path: Path) -> Filed:
    (tmp_path / "strokes.txt").write_text("十刁" * 50, encoding="utf-8")
    return Filed(tmp_path / "strokes.txt")


def prepared(strokes: Filed, out: Path, **changed: Any) -> Store:
    options: dict[str, Any] = {
        "charset": Charset(("刁", "十")),
        "writers": range(7, 12),
        "framing": Framing(32),
        "seed": 3,
        **changed,
    }
    prepare_strokes(strokes, out, **options)
    return Store(out)


def test_every_writer_writes_every_character_once(strokes: Filed, tmp_path: Path) -> None:
    store = prepared(strokes, tmp_path / "s")
    assert (len(store), store.size, store.charset.labels) == (10, 32, ("刁", "十"))
    assert store.manifest.writer_counts == {f"{n:03d}": 2 for n in range(7, 12)}
    assert [store.record(n).position for n in range(10)] == list(range(10))
    assert {store.record(n).source for n in range(10)} == {"strokes.txt"}
    assert len(np.unique(store.all_images().reshape(10, -1), axis=0)) == 10


def test_the_store_is_simulated_and_its_licence_travels(strokes: Filed, tmp_path: Path) -> None:
    store = prepared(strokes, tmp_path / "s")
    assert is_simulated(store.manifest.origin)
    assert not store.is_synthetic
    assert notice(store.manifest.origin) == "Drawn for a test"
    export_store(store, "gnt", tmp_path / "gnt")
    back = tmp_path / "back"
    report = prepare_gnt([tmp_path / "gnt"], back, framing=Framing(32))
    assert report.simulated
    assert notice(Store(back).manifest.origin) == "Drawn for a test"


def test_the_writers_are_those_of_the_gnt_files(strokes: Filed, tmp_path: Path) -> None:
    direct = prepared(strokes, tmp_path / "s")
    simulate(tmp_path / "gnt", characters="刁十", writers=range(7, 12), seed=3, strokes=strokes)
    prepare_gnt([tmp_path / "gnt"], tmp_path / "by-gnt", framing=Framing(32))
    by_gnt = Store(tmp_path / "by-gnt")
    found, expected = (store.all_images().astype(float) for store in (direct, by_gnt))
    for label in "刁十":
        ours, theirs = (
            np.array([s.record(n).label == label for n in range(10)]) for s in (direct, by_gnt)
        )
        others = np.roll(expected[theirs], 1, axis=0)
        near = np.abs(found[ours] - expected[theirs]).mean()
        assert near < 0.4 * np.abs(found[ours] - others).mean()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_arguments_give_the_same_store(
    strokes: Filed, tmp_path: Path, workers: int
) -> None:
    store = prepared(strokes, tmp_path / "a", options=PrepareOptions(workers=workers))
    again = prepared(strokes, tmp_path / "b")
    assert store.manifest.content_sha256 == again.manifest.content_sha256
    for name, changed in {"seed": 4, "writers": range(8, 13)}.items():
        other = prepared(strokes, tmp_path / name, **{name: changed})
        assert other.manifest.content_sha256 != again.manifest.content_sha256


def test_classes_without_strokes_keep_their_place_and_are_named(
    strokes: Filed, tmp_path: Path
) -> None:
    charset = Charset(("龘", "十", "龖"))
    report = prepare_strokes(
        strokes, tmp_path / "s", charset=charset, writers=range(1, 3), framing=Framing(32)
    )
    assert report.empty_classes == ["龘", "龖"]
    assert Store(tmp_path / "s").charset == charset
    options = PrepareOptions(drop_empty=True)
    assert prepared(strokes, tmp_path / "d", charset=charset, options=options).charset.labels == (
        "十",
    )


def test_no_class_with_strokes_is_refused(strokes: Filed, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no strokes for any of the 2 classes"):
        prepared(strokes, tmp_path / "s", charset=Charset(("龘", "龖")))
    assert not (tmp_path / "s").exists()


def test_a_stop_leaves_no_store(strokes: Filed, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="stopped"):
        prepared(strokes, tmp_path / "s", control=Control(stop=lambda: True))
    assert not (tmp_path / "s").exists()


def test_the_file_of_strokes_is_not_replaced(strokes: Filed, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        prepared(strokes, strokes.path, options=PrepareOptions(overwrite=True))
    assert strokes.path.read_text("utf-8").startswith("十刁")


def test_strokes_of_the_test_are_those_of_its_name() -> None:
    assert Drawn().path == Path("a test")
    assert set(STROKES) == {"十", "刁"}
