import json
import re
import zipfile
from pathlib import Path

import pytest

from hwgen.errors import InputError
from hwgen.sources import provenance
from hwgen.sources.provenance import MARKER, declared_provenance, mark_simulated

SYNTHETIC = {"synthetic": True}


def mark(folder: Path, text: str = '{"synthetic": true}') -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(text)


def test_a_marker_counts_beside_and_two_folders_below(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    mark(tmp_path / "a")
    deep.mkdir(parents=True)
    (deep / "file.gnt").touch()
    assert declared_provenance([(tmp_path / "a", "a")]) == SYNTHETIC
    assert declared_provenance([(deep, "a/b/c")]) == SYNTHETIC
    assert not declared_provenance([(deep / "file.gnt", "a/b/c/file.gnt")])
    assert not declared_provenance([(tmp_path, "x")])
    assert not declared_provenance([])


def test_one_of_many_is_enough_and_a_damaged_one_too_much(tmp_path: Path) -> None:
    mark(tmp_path / "x" / "y" / "real", '{"synthetic": false}')
    mark(tmp_path / "x" / "y" / "made")
    both = [(tmp_path / "x" / "y" / name, name) for name in ("made", "real")]
    assert declared_provenance(both) == SYNTHETIC
    assert declared_provenance(reversed(both)) == SYNTHETIC
    mark(tmp_path / "x" / "y" / "real", '{"synthetic": null}')
    with pytest.raises(InputError, match=r"real/\.export\.json.*must be true or false"):
        declared_provenance(both)


def test_in_a_zip_it_counts_for_what_is_below_it(tmp_path: Path) -> None:
    path = tmp_path / "a!b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"made/{MARKER}", '{"synthetic": true}')
        archive.writestr("made/U+4E00/1.png", "")
        archive.writestr("real/U+4E00/1.png", "")
    assert declared_provenance([(path, "a!b.zip!made/U+4E00")]) == SYNTHETIC
    assert declared_provenance([(path, "up/a!b.zip!/made/U+4E00/1.png")]) == SYNTHETIC
    assert not declared_provenance([(path, "a!b.zip!real/U+4E00")])
    assert not declared_provenance([(path, "a!b.zip")])


def test_a_zipped_marker_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr(MARKER, '{"synthetic": true}')
        if method == zipfile.ZIP_LZMA:
            with pytest.raises(InputError, match="its compression method"):
                declared_provenance([(path, "a.zip")])
        else:
            assert declared_provenance([(path, "a.zip")]) == SYNTHETIC
            monkeypatch.setattr(provenance, "MAX_JSON_BYTES", 18)
            with pytest.raises(InputError, match=r"a\.zip!\.export\.json.*found 19"):
                declared_provenance([(path, "a.zip")])


def test_a_deep_marker_is_refused(tmp_path: Path) -> None:
    mark(tmp_path, '{"synthetic": true, "x": ' + "[" * 200 + "]" * 200 + "}")
    with pytest.raises(InputError, match="nested too deeply"):
        declared_provenance([(tmp_path, "x")])


def test_simulated_writers_are_told_apart_with_their_strokes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "x" / "y" / name).mkdir(parents=True)
    made, a, b = (tmp_path / "x" / "y" / name for name in ("made", "a", "b"))
    for folder, text in ((a, "Of A."), (b, "Of B.")):
        mark_simulated(folder, text, files=["001-f.gnt"], settings={"seed": 0})
    assert declared_provenance([(a, "a")]) == {"simulated": True, "notice": "Of A."}
    assert declared_provenance([(a, "a"), (b, "b")]) == {"simulated": True, "notice": "Of A. Of B."}
    assert declared_provenance([(a, "a"), (a / "001-f.gnt", "a/001-f.gnt")])["notice"] == "Of A."
    mark(made)
    assert declared_provenance([(made, "m"), (a, "a")]) == {
        **SYNTHETIC,
        "simulated": True,
        "notice": "Of A.",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"synthetic": false, "simulated": 1}', "simulated.*must be true or false"),
        ('{"synthetic": false, "notice": 1}', "notice.*must be text"),
        (f'{{"synthetic": false, "notice": "{"x" * 4_001}"}}', "at most 4,000 characters"),
        ('{"synthetic": true, "files": "a"}', "must be a list of texts"),
        ('{"synthetic": true, "files": [1]}', "must be a list of texts"),
    ],
)
def test_a_marker_that_tells_amiss_is_refused(tmp_path: Path, text: str, message: str) -> None:
    mark(tmp_path, text)
    with pytest.raises(InputError, match=message):
        declared_provenance([(tmp_path, "x")])


def simulated(folder: Path, *, listed: bool = True) -> Path:
    folder.mkdir(parents=True)
    if listed:
        mark_simulated(folder, "Of A.", files=["001-f.gnt"], settings={"seed": 0})
    else:  # of an older version
        mark(folder, '{"synthetic": false, "simulated": true, "notice": "Of A."}')
    return folder


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_real_scans_in_folders_below_simulated_ones_stay_real(
    tmp_path: Path, listed: bool, zipped: bool
) -> None:
    folder = simulated(tmp_path / "sim", listed=listed)
    (folder / "real").mkdir()

    def declared(name: str) -> dict[str, object]:
        if not zipped:
            return declared_provenance([(folder / name, name)])
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(folder / MARKER, f"sim/{MARKER}")
        return declared_provenance([(path, f"a.zip!sim/{name}")])

    assert not declared("real/001-f.gnt")
    assert declared("001-f.gnt") == {"simulated": True, "notice": "Of A."}


def test_a_scan_beside_simulated_ones_is_refused_unless_it_is_listed(tmp_path: Path) -> None:
    folder = simulated(tmp_path / "sim")
    with pytest.raises(InputError, match=r"does not list 1001-f\.gnt, .* Move it out .*if it is r"):
        declared_provenance([(folder / "001-f.gnt", "1"), (folder / "1001-f.gnt", "2")])
    older = simulated(tmp_path / "older", listed=False)
    assert declared_provenance([(older / "1001-f.gnt", "2")])["simulated"]


@pytest.mark.parametrize(
    ("files", "held", "unknown"),
    [
        (["U+4E00", "classes.json"], ["", "U+4E00"], ["real", "real/U+4E00", "U+4E001"]),
        (["train/U+4E00"], ["", "train", "train/U+4E00"], ["mine", "train/real", "mine/U+4E00"]),
        (["001.gnt"], ["", "001.gnt"], ["1001.gnt", "real/001.gnt"]),
        (["images", "label.txt"], ["label.txt", "images/00000"], ["real/label.txt"]),
    ],
)
def test_what_an_export_of_synthetic_samples_does_not_list_is_refused(
    tmp_path: Path, files: list[str], held: list[str], unknown: list[str]
) -> None:
    marker = {"synthetic": True, "recipe": {"format": "folder"}, "files": files}
    mark(tmp_path, json.dumps(marker))
    for name in held:
        assert declared_provenance([(tmp_path / name, name)]) == SYNTHETIC
    for name in unknown:
        with pytest.raises(InputError, match=rf"does not list {re.escape(name)}, "):
            declared_provenance([(tmp_path / name, name)])
    mark(tmp_path, json.dumps({**marker, "synthetic": False}))
    for name in [*held, *unknown]:
        assert not declared_provenance([(tmp_path / name, name)])
