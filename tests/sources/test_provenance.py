import zipfile
from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.sources import provenance
from hwgen.sources.provenance import MARKER, mark_simulated, told_of

SYNTHETIC = {"synthetic": True}


def mark(folder: Path, text: str = '{"synthetic": true}') -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(text)


def test_a_marker_counts_beside_and_two_folders_below(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    mark(tmp_path / "a")
    deep.mkdir(parents=True)
    (deep / "file.gnt").touch()
    assert told_of([(tmp_path / "a", "a")]) == SYNTHETIC
    assert told_of([(deep, "a/b/c")]) == SYNTHETIC
    assert not told_of([(deep / "file.gnt", "a/b/c/file.gnt")])
    assert not told_of([(tmp_path, "x")])
    assert not told_of([])


def test_one_of_many_is_enough_and_a_damaged_one_too_much(tmp_path: Path) -> None:
    mark(tmp_path / "x" / "y" / "real", '{"synthetic": false}')
    mark(tmp_path / "x" / "y" / "made")
    both = [(tmp_path / "x" / "y" / name, name) for name in ("made", "real")]
    assert told_of(both) == SYNTHETIC
    assert told_of(reversed(both)) == SYNTHETIC
    mark(tmp_path / "x" / "y" / "real", '{"synthetic": null}')
    with pytest.raises(InputError, match=r"real/\.export\.json.*does not tell"):
        told_of(both)


def test_in_a_zip_it_counts_for_what_is_below_it(tmp_path: Path) -> None:
    path = tmp_path / "a!b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"made/{MARKER}", '{"synthetic": true}')
        archive.writestr("made/U+4E00/1.png", "")
        archive.writestr("real/U+4E00/1.png", "")
    assert told_of([(path, "a!b.zip!made/U+4E00")]) == SYNTHETIC
    assert told_of([(path, "up/a!b.zip!/made/U+4E00/1.png")]) == SYNTHETIC
    assert not told_of([(path, "a!b.zip!real/U+4E00")])
    assert not told_of([(path, "a!b.zip")])


def test_a_zipped_marker_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr(MARKER, '{"synthetic": true}')
        if method == zipfile.ZIP_LZMA:
            with pytest.raises(InputError, match="packed otherwise"):
                told_of([(path, "a.zip")])
        else:
            assert told_of([(path, "a.zip")]) == SYNTHETIC
            monkeypatch.setattr(provenance, "MOST_JSON_BYTES", 18)
            with pytest.raises(InputError, match=r"a\.zip!\.export\.json.*19 bytes"):
                told_of([(path, "a.zip")])


def test_a_deep_marker_is_refused(tmp_path: Path) -> None:
    mark(tmp_path, '{"synthetic": true, "x": ' + "[" * 200 + "]" * 200 + "}")
    with pytest.raises(InputError, match="nested too deeply"):
        told_of([(tmp_path, "x")])


def test_simulated_writers_are_told_apart_with_their_strokes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "x" / "y" / name).mkdir(parents=True)
    made, a, b = (tmp_path / "x" / "y" / name for name in ("made", "a", "b"))
    mark_simulated(a, "Of A.")
    mark_simulated(b, "Of B.")
    assert told_of([(a, "a")]) == {"simulated": True, "notice": "Of A."}
    assert told_of([(a, "a"), (b, "b")]) == {"simulated": True, "notice": "Of A. Of B."}
    assert told_of([(a, "a"), (a / "001-f.gnt", "a/001-f.gnt")])["notice"] == "Of A."
    mark(made)
    assert told_of([(made, "m"), (a, "a")]) == {**SYNTHETIC, "simulated": True, "notice": "Of A."}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"synthetic": false, "simulated": 1}', "whether the records are simulated"),
        ('{"synthetic": false, "notice": 1}', "its notice is no text"),
        (f'{{"synthetic": false, "notice": "{"x" * 4_001}"}}', "at most 4,000 characters"),
    ],
)
def test_a_marker_that_tells_amiss_is_refused(tmp_path: Path, text: str, message: str) -> None:
    mark(tmp_path, text)
    with pytest.raises(InputError, match=message):
        told_of([(tmp_path, "x")])
