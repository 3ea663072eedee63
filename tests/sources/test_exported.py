import zipfile
from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.sources import exported
from hwgen.sources.exported import MARKER, says_synthetic


def mark(folder: Path, text: str = '{"synthetic": true}') -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(text)


def test_a_marker_counts_beside_and_two_folders_below(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    mark(tmp_path / "a")
    deep.mkdir(parents=True)
    (deep / "file.gnt").touch()
    assert says_synthetic([(tmp_path / "a", "a")])
    assert says_synthetic([(deep, "a/b/c")])
    assert not says_synthetic([(deep / "file.gnt", "a/b/c/file.gnt")])
    assert not says_synthetic([(tmp_path, "x")])
    assert not says_synthetic([])


def test_one_of_many_is_enough_and_a_damaged_one_too_much(tmp_path: Path) -> None:
    mark(tmp_path / "x" / "y" / "real", '{"synthetic": false}')
    mark(tmp_path / "x" / "y" / "made")
    both = [(tmp_path / "x" / "y" / name, name) for name in ("made", "real")]
    assert says_synthetic(both)
    assert says_synthetic(reversed(both))
    mark(tmp_path / "x" / "y" / "real", '{"synthetic": null}')
    with pytest.raises(InputError, match=r"real/\.export\.json.*does not tell"):
        says_synthetic(both)


def test_in_a_zip_it_counts_for_what_is_below_it(tmp_path: Path) -> None:
    path = tmp_path / "a!b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"made/{MARKER}", '{"synthetic": true}')
        archive.writestr("made/U+4E00/1.png", "")
        archive.writestr("real/U+4E00/1.png", "")
    assert says_synthetic([(path, "a!b.zip!made/U+4E00")])
    assert says_synthetic([(path, "up/a!b.zip!/made/U+4E00/1.png")])
    assert not says_synthetic([(path, "a!b.zip!real/U+4E00")])
    assert not says_synthetic([(path, "a!b.zip")])


def test_a_zipped_marker_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr(MARKER, '{"synthetic": true}')
        if method == zipfile.ZIP_LZMA:
            with pytest.raises(InputError, match="packed otherwise"):
                says_synthetic([(path, "a.zip")])
        else:
            assert says_synthetic([(path, "a.zip")])
            monkeypatch.setattr(exported, "MOST_JSON_BYTES", 18)
            with pytest.raises(InputError, match=r"a\.zip!\.export\.json.*19 bytes"):
                says_synthetic([(path, "a.zip")])


def test_a_deep_marker_is_refused(tmp_path: Path) -> None:
    mark(tmp_path, '{"synthetic": true, "x": ' + "[" * 200 + "]" * 200 + "}")
    with pytest.raises(InputError, match="nested too deeply"):
        says_synthetic([(tmp_path, "x")])
