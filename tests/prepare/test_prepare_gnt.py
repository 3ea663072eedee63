import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwgen.prepare.casia
from hwgen.charset import Charset
from hwgen.errors import BadRecordError, HwgenError, InputError, StoreError
from hwgen.imaging.framing import Framing
from hwgen.imaging.framing_pool import frame
from hwgen.prepare import REPORT_FILE, PrepareOptions, PrepareReport, prepare_gnt
from hwgen.progress import Control
from hwgen.sources.gnt import encode_record, write_gnt
from hwgen.sources.writer_selection import WriterSelection
from hwgen.store import Store, is_store, partial_path

FRAMING = Framing(16)


def image(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, tuple(rng.integers(5, 30, 2)), np.uint8)


@pytest.fixture
def gnts(tmp_path: Path) -> Path:
    """Two writers: 001 wrote 一丁七一, 002 wrote 一A."""
    folder = tmp_path / "gnts"
    folder.mkdir()
    write_gnt(folder / "001-f.gnt", [(c, image(n)) for n, c in enumerate("一丁七一")])
    write_gnt(folder / "002-f.gnt", [(c, image(9 + n)) for n, c in enumerate("一A")])
    return folder


def test_records_arrive_framed_with_label_writer_and_offset(gnts: Path, tmp_path: Path) -> None:
    report = prepare_gnt([gnts], tmp_path / "store", framing=FRAMING)
    store = Store(tmp_path / "store")
    assert store.charset.labels == ("A", "一", "丁", "七")
    records = [store.record(n) for n in range(len(store))]
    assert [record.label for record in records] == list("一丁七一一A")
    assert [record.writer for record in records] == ["001"] * 4 + ["002"] * 2
    assert {record.source for record in records} == {"gnts/001-f.gnt", "gnts/002-f.gnt"}
    data = (gnts / "001-f.gnt").read_bytes()
    sizes = [10 + image(n).size for n in range(3)]
    assert [record.position for record in records[:4]] == [0, *np.cumsum(sizes)]
    assert data[records[1].position + 4 : records[1].position + 6] == "丁".encode("gb2312")
    np.testing.assert_array_equal(records[2].image, FRAMING.apply(image(2)))
    assert store.manifest.writer_counts == {"001": 4, "002": 2}
    assert store.manifest.class_counts == [1, 3, 1, 1]
    assert store.manifest.origin["kind"] == "gnt"
    assert store.manifest.origin["framing"] == FRAMING.to_json()
    assert str(tmp_path) not in json.dumps(store.manifest.origin)
    assert report.records == 6
    assert report.per_class == {"min": 1, "median": 1.0, "max": 3}
    assert (report.classes, report.writers, report.bad_records) == (4, 2, [])


def test_the_report_lies_in_the_store(gnts: Path, tmp_path: Path) -> None:
    report = prepare_gnt(
        [gnts],
        tmp_path / "store",
        framing=FRAMING,
        options=PrepareOptions(charset=Charset(("一", "万"))),
    )
    written = json.loads((tmp_path / "store" / REPORT_FILE).read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(report.to_json()))
    assert written["left_out"] == {"丁": 1, "七": 1, "A": 1}
    assert written["empty_classes"] == ["万"]
    assert written["records"] == 3
    assert [file["records"] for file in written["files"]] == [4, 2]
    assert Store(tmp_path / "store").charset.labels == ("一", "万")


def test_empty_classes_can_be_dropped(gnts: Path, tmp_path: Path) -> None:
    charset = Charset(("七", "万", "一"))
    report = prepare_gnt(
        [gnts],
        tmp_path / "store",
        framing=FRAMING,
        options=PrepareOptions(charset=charset, drop_empty=True),
    )
    assert Store(tmp_path / "store").charset.labels == ("七", "一")
    assert report.empty_classes == []


def damaged(gnts: Path) -> tuple[Path, int]:
    """A file whose second record has a damaged size, and whose end is cut."""
    parts = [encode_record(c, image(n)) for n, c in enumerate("一丁七一丁")]
    parts[1] = b"\xff" + parts[1][1:]
    path = gnts / "003-f.gnt"
    path.write_bytes(b"".join(parts)[:-5])
    return path, len(parts[0])


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_records_of_each_class_can_be_taken(
    gnts: Path, tmp_path: Path, workers: int
) -> None:
    charset = Charset(("丁", "一"))
    report = prepare_gnt(
        [gnts],
        tmp_path / "s",
        framing=FRAMING,
        options=PrepareOptions(charset=charset, limit=2, workers=workers),
    )
    store = Store(tmp_path / "s")
    whole = prepare_gnt(
        [gnts], tmp_path / "whole", framing=FRAMING, options=PrepareOptions(charset=charset)
    )
    every = Store(tmp_path / "whole")
    assert [every.record(n).label for n in range(len(every))] == list("一丁一一")
    np.testing.assert_array_equal(store.images([0, 1, 2]), every.images([0, 1, 2]))
    assert store.manifest.class_counts == [1, 2]
    assert store.manifest.origin["limit"] == 2
    assert every.manifest.origin["limit"] is None
    assert (report.records, whole.records, report.left_out) == (3, 4, whole.left_out)
    assert (report.over_limit, whole.over_limit) == (1, 0)
    written = json.loads((tmp_path / "s" / REPORT_FILE).read_text(encoding="utf-8"))
    assert written["over_limit"] == 1


def test_a_limit_below_one_is_refused(gnts: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="limit must be at least 1, found 0"):
        prepare_gnt([gnts], tmp_path / "store", framing=FRAMING, options=PrepareOptions(limit=0))
    assert_nothing_at(tmp_path / "store")


def test_the_files_of_some_writers_can_be_taken(gnts: Path, tmp_path: Path) -> None:
    write_gnt(gnts / "003-f.gnt", [("丁", image(20))])
    prepare_gnt([gnts], tmp_path / "s", framing=FRAMING, writers=WriterSelection("002-003"))
    store = Store(tmp_path / "s")
    assert store.manifest.writer_counts == {"002": 2, "003": 1}
    assert store.manifest.origin["writers"]["named"] == "002-003"
    with pytest.raises(InputError, match="no writer '007'"):
        prepare_gnt([gnts], tmp_path / "t", framing=FRAMING, writers=WriterSelection("007"))
    assert_nothing_at(tmp_path / "t")


def test_every_loss_is_named(gnts: Path, tmp_path: Path) -> None:
    _, offset = damaged(gnts)
    report = prepare_gnt([gnts], tmp_path / "store", framing=FRAMING)
    assert report.records == 9
    first, last = report.bad_records
    assert (first.source, first.offset) == ("gnts/003-f.gnt", offset)
    assert last.kind == "cut short"
    assert report.bytes_lost == first.length + last.length
    assert [(file.records, file.bad) for file in report.files] == [(4, 0), (2, 0), (3, 2)]
    assert report.to_json()["bytes_lost"] == report.bytes_lost


@pytest.mark.parametrize("workers", [1, 2])
def test_strict_stops_at_the_first_loss_and_leaves_nothing(
    gnts: Path, tmp_path: Path, workers: int
) -> None:
    path, offset = damaged(gnts)
    out = tmp_path / "store"
    with pytest.raises(BadRecordError, match=rf"{path.name}@{offset}: expected a header.*found"):
        prepare_gnt(
            [gnts], out, framing=FRAMING, options=PrepareOptions(strict=True, workers=workers)
        )
    assert_nothing_at(tmp_path / "store")


def assert_nothing_at(path: Path) -> None:
    assert not path.exists()
    assert not partial_path(path).exists()
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith("store")] == []


def test_nothing_kept_is_an_error_that_says_why(gnts: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"
    with pytest.raises(
        InputError, match="none of the 6 records is in the charset; their labels: 一"
    ):
        prepare_gnt([gnts], out, framing=FRAMING, options=PrepareOptions(charset=Charset(("万",))))
    assert_nothing_at(out)
    noise = tmp_path / "noise.gnt"
    noise.write_bytes(b"\xff" * 50)
    with pytest.raises(InputError, match="no readable record found: at byte 0, expected a header"):
        prepare_gnt([noise], out, framing=FRAMING)
    assert_nothing_at(out)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_nothing(
    gnts: Path, tmp_path: Path, error: type[BaseException], workers: int
) -> None:
    def interrupt(done: float, total: float, note: str) -> None:
        raise error

    with pytest.raises(error):
        prepare_gnt(
            [gnts],
            tmp_path / "store",
            framing=FRAMING,
            options=PrepareOptions(workers=workers),
            control=Control(progress=interrupt),
        )
    assert_nothing_at(tmp_path / "store")


@pytest.mark.parametrize("workers", [1, 2])
def test_stop_is_obeyed(gnts: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "store"
    with pytest.raises(StoreError, match="stopped before the end"):
        prepare_gnt(
            [gnts],
            out,
            framing=FRAMING,
            options=PrepareOptions(workers=workers),
            control=Control(stop=lambda: True),
        )
    assert_nothing_at(out)
    prepare_gnt(
        [gnts],
        out,
        framing=FRAMING,
        options=PrepareOptions(workers=workers),
        control=Control(stop=lambda: False),
    )
    assert is_store(out)


def test_workers_make_the_store_that_one_process_makes(gnts: Path, tmp_path: Path) -> None:
    damaged(gnts)
    more = [("一丁七A"[n % 4], image(n)) for n in range(3000)]
    write_gnt(gnts / "004-f.gnt", more)
    stores, reports = [], []
    for workers in (1, 2, 3):
        out = tmp_path / str(workers)
        report = prepare_gnt(
            [gnts],
            out,
            framing=FRAMING,
            options=PrepareOptions(charset=Charset(("一", "丁", "万")), workers=workers),
        )
        stores.append(Store(out))
        reports.append({**report.to_json(), "seconds": 0, "store": ""})
    assert reports[0] == reports[1] == reports[2]
    assert stores[0].manifest == stores[1].manifest == stores[2].manifest
    assert reports[0]["left_out"] == {"七": 752, "A": 751}
    np.testing.assert_array_equal(stores[0].all_images(), stores[1].all_images())
    np.testing.assert_array_equal(stores[0].all_images()[-1], FRAMING.apply(image(2997)))


def test_large_files_get_all_cores_and_small_ones_none(
    gnts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def spy(*args: Any, workers: int, **options: Any) -> Any:
        taken.append(workers)
        return frame(*args, workers=1, **options)

    monkeypatch.setattr(hwgen.prepare.casia, "frame", spy)
    monkeypatch.setattr(hwgen.prepare.casia, "available_workers", lambda: 5)
    prepare_gnt([gnts], tmp_path / "small", framing=FRAMING)
    small = replace(hwgen.prepare.casia._GNT, parallel_bytes=100)
    monkeypatch.setattr(hwgen.prepare.casia, "_GNT", small)
    prepare_gnt([gnts], tmp_path / "large", framing=FRAMING)
    assert taken == [1, 5]
    with pytest.raises(InputError, match="workers must be at least 1, found 0"):
        prepare_gnt([gnts], tmp_path / "none", framing=FRAMING, options=PrepareOptions(workers=0))


def test_a_worker_that_dies_leaves_nothing(
    gnts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(HwgenError, match=r"died \(exit code 1\)"):
        prepare_gnt([gnts], tmp_path / "store", framing=FRAMING, options=PrepareOptions(workers=2))
    assert_nothing_at(tmp_path / "store")


def test_progress_grows_to_the_total(tmp_path: Path) -> None:
    one = encode_record("一", image(0))
    for name in ("001-f.gnt", "002-f.gnt"):
        (tmp_path / name).write_bytes(one * 600)
    seen: list[tuple[float, float, str]] = []
    prepare_gnt(
        [tmp_path],
        tmp_path / "store",
        framing=FRAMING,
        control=Control(progress=lambda *now: seen.append(now)),
    )
    total = 1200 * len(one)
    assert [now[0] for now in seen] == sorted(now[0] for now in seen)
    assert len(seen) > 4
    assert seen[-1] == (total, total, "1,200 records")
    assert {now[1] for now in seen} == {total}


def test_a_finished_store_is_replaced_only_when_told(gnts: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"
    prepare_gnt([gnts], out, framing=FRAMING)
    before = Store(out).manifest.content_sha256
    with pytest.raises(StoreError, match="--overwrite"):
        prepare_gnt([gnts], out, framing=Framing(8))
    assert Store(out).manifest.content_sha256 == before
    prepare_gnt([gnts], out, framing=Framing(8), options=PrepareOptions(overwrite=True))
    assert Store(out).size == 8


def test_the_same_input_gives_the_same_store(gnts: Path, tmp_path: Path) -> None:
    prints = set()
    for name in ("a", "b"):
        prepare_gnt([gnts], tmp_path / name, framing=FRAMING)
        prints.add(Store(tmp_path / name).manifest.content_sha256)
    prepare_gnt([gnts], tmp_path / "c", framing=Framing(16, stretch=True))
    prints.add(Store(tmp_path / "c").manifest.content_sha256)
    assert len(prints) == 2


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(hwgen.__file__).parents[1])}
KILLED = """
import os, signal, sys
from pathlib import Path
from hwgen.imaging.framing import Framing
from hwgen.prepare import PrepareOptions, prepare_gnt
from hwgen.progress import Control

def progress(done, total, note):
    if "die" in sys.argv and done > total / 2:
        os.kill(os.getpid(), signal.SIGKILL)

gnt, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
prepare_gnt([gnt], out, framing=Framing(16),
            options=PrepareOptions(workers=workers), control=Control(progress))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_in_the_middle_there_is_no_store_and_the_same_command_makes_it_whole(
    tmp_path: Path, workers: int
) -> None:
    gnt = tmp_path / "all.gnt"
    write_gnt(gnt, [("一丁七万"[n % 4], image(n)) for n in range(4000)])
    out = tmp_path / "store"
    # A script, unguarded: its `__main__` must not be run again by workers.
    (tmp_path / "script.py").write_text(KILLED)
    command = [sys.executable, str(tmp_path / "script.py"), str(gnt), str(out), str(workers)]
    # Workers hold standard error too: that this returns says that they have ended.
    killed = subprocess.run(
        [*command, "die"], check=False, stderr=subprocess.PIPE, timeout=60, env=ENVIRONMENT
    )
    assert killed.stderr == b""
    assert killed.returncode == -signal.SIGKILL
    assert not is_store(out)
    assert partial_path(out).exists()
    with pytest.raises(StoreError, match="is unfinished"):
        Store(out)
    subprocess.run(command, check=True, env=ENVIRONMENT)
    prepare_gnt([gnt], tmp_path / "whole", framing=FRAMING)
    again, whole = Store(out), Store(tmp_path / "whole")
    assert len(again) == 4000
    assert again.manifest.content_sha256 == whole.manifest.content_sha256
    assert again.manifest.class_counts == whole.manifest.class_counts
    assert not partial_path(out).exists()


def test_real_files_give_what_their_card_says(shared_data: Path, tmp_path: Path) -> None:
    report = prepare_gnt(
        [shared_data / "hwdb" / "HWDB89tst_gnt.zip"], tmp_path / "store", framing=Framing(32)
    )
    assert (report.records, report.classes, report.bad_records) == (9406, 89, [])
    assert report.writers == 0
    assert isinstance(report, PrepareReport)
    store = Store(tmp_path / "store")
    assert Counter(store.labels.tolist())[0] == store.manifest.class_counts[0]
    assert store.record(0).source == "HWDB89tst_gnt.zip!hwdb89tst-c.gnt"
    means = store.all_images().mean((1, 2))
    assert means.min() > 128  # ink is the lesser part: the polarity is right
