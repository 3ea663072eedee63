import json
from pathlib import Path

import numpy as np
import pytest

from hwgen.charset import Charset
from hwgen.imaging.framing import Framing
from hwgen.inspection.summaries import inspect_gnt, inspect_store
from hwgen.prepare import PrepareOptions, prepare_gnt
from hwgen.sources.gnt import write_gnt
from hwgen.store import Store


def picture(seed: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


@pytest.fixture
def gnts(tmp_path: Path) -> Path:
    folder = tmp_path / "gnts"
    folder.mkdir()
    same = picture(0)
    write_gnt(folder / "001-f.gnt", [("一", same), ("一", same), ("丁", same)])
    write_gnt(folder / "all.gnt", [("一", same), ("一", picture(1, 20, 4))])
    return folder


def test_gnt_files_are_summarised(gnts: Path) -> None:
    (gnts / "002-f.gnt").write_bytes((gnts / "all.gnt").read_bytes()[:70])
    summary, images = inspect_gnt([gnts])
    assert (summary.files, summary.records) == (3, 6)
    assert summary.bytes_read == sum(path.stat().st_size for path in gnts.iterdir())
    assert dict(summary.classes.fewest) == {"一": 5, "丁": 1}
    assert summary.classes.largest[0] == ("一", 5)
    assert list(summary.class_counts.items()) == [("一", 5), ("丁", 1)]
    assert (summary.classes.groups, summary.classes.least, summary.classes.most) == (2, 1, 5)
    assert dict(summary.writers.fewest) == {"001": 3, "002": 1}
    assert summary.writer_unknown == 2
    assert summary.duplicates == 3
    assert summary.widths == (4, 8.0, 8)
    assert summary.heights == (6, 6.0, 20)
    (bad,) = summary.bad_records
    assert bad.source == "gnts/002-f.gnt"
    assert images.shape == (0, 64, 64)
    assert json.loads(json.dumps(summary.to_json()))["kind"] == "gnt"


def test_equal_bytes_of_other_shapes_are_not_duplicates(tmp_path: Path) -> None:
    flat = np.zeros((2, 6), np.uint8)
    write_gnt(tmp_path / "1.gnt", [("一", flat), ("一", flat.reshape(3, 4)), ("丁", flat)])
    assert inspect_gnt([tmp_path])[0].duplicates == 0


def test_a_file_without_records_has_an_empty_summary(tmp_path: Path) -> None:
    (tmp_path / "1.gnt").write_bytes(b"\xff" * 30)
    summary, images = inspect_gnt([tmp_path], samples=5)
    assert (summary.records, summary.widths, summary.classes.most) == (0, (0, 0.0, 0), 0)
    assert len(images) == 0


def test_samples_are_from_the_whole_file_and_repeatable(tmp_path: Path) -> None:
    images = [np.full((16, 16), n, np.uint8) for n in range(200)]
    write_gnt(tmp_path / "1.gnt", [("一", image) for image in images])
    drawn = [inspect_gnt([tmp_path], samples=20, size=16)[1] for _ in range(2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    values = drawn[0][:, 8, 8]
    assert len(set(values.tolist())) == 20
    assert values.min() < 60
    assert values.max() > 140
    assert len(inspect_gnt([tmp_path], samples=1000, size=16)[1]) == 200


def test_a_store_is_summarised(gnts: Path, tmp_path: Path) -> None:
    charset = Charset(("一", "丁", "七"))
    prepare_gnt(
        [gnts], tmp_path / "store", framing=Framing(16), options=PrepareOptions(charset=charset)
    )
    summary = inspect_store(Store(tmp_path / "store"))
    assert (summary.records, summary.size, summary.channels) == (5, 16, 1)
    assert (summary.classes.groups, summary.classes.empty) == (3, 1)
    assert summary.classes.fewest == [("七", 0), ("丁", 1), ("一", 4)]
    assert list(summary.class_counts.items()) == [("一", 4), ("丁", 1), ("七", 0)]
    assert (summary.writers.groups, summary.writer_unknown) == (1, 2)
    assert summary.duplicates == 2
    assert summary.sources == 2
    assert summary.charset_fingerprint == charset.fingerprint
    assert summary.bytes_on_disk > 0
    assert json.loads(json.dumps(summary.to_json()))["kind"] == "store"
