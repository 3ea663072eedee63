from pathlib import Path

import pytest

from hwgen.io.paths import describe_names, describe_path, prepare_command, suggest_path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("run.json", "it is a run,"),
        ("model.safetensors", "it is an exported model,"),
        ("manifest.json", "it is a store,"),
        ("benchmark.json", "the output of hwgen benchmark"),
        ("lift.json", "the output of hwgen lift"),
        ("evaluation.json", "the output of hwgen evaluate"),
        (".export.json", "the output of hwgen export or simulate"),
        ("001-f.gnt", "it contains GNT files, for hwgen prepare-gnt"),
        ("1001-c.POT", "it contains POT files, for hwgen prepare-pot"),
        ("a.png", "it contains images, for hwgen prepare-images"),
    ],
)
def test_a_folder_is_known_by_a_file_in_it(tmp_path: Path, name: str, said: str) -> None:
    assert describe_path(tmp_path) == ""
    (tmp_path / "notes.txt").touch()
    assert describe_path(tmp_path) == ""
    (tmp_path / name).touch()
    assert said in describe_path(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("HWDB.zip", "it is a zip, for hwgen prepare-gnt, prepare-pot or prepare-images"),
        ("a.gnt", "it contains GNT files,"),
        ("a.JPG", "it contains images,"),
        ("weights.safetensors", "it is a file of weights"),
        ("notes.txt", ""),
    ],
)
def test_a_file_is_known_by_its_name(tmp_path: Path, name: str, said: str) -> None:
    assert describe_path(tmp_path / name) == "there is no such file or folder"
    (tmp_path / name).touch()
    assert describe_path(tmp_path / name).startswith(said)
    assert bool(describe_path(tmp_path / name)) is bool(said)


def a_folder(path: Path, mark: str) -> Path:
    path.mkdir(parents=True)
    (path / mark).touch()
    return path


def test_a_folder_is_known_by_the_folders_in_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    a_folder(tmp_path / "b", "run.json")
    assert describe_path(tmp_path) == "it contains b (a run, for hwgen synthesize)"
    for name in "cdefg":
        a_folder(tmp_path / name, "run.json")
    a_folder(tmp_path / "store", "manifest.json")
    assert describe_path(tmp_path).startswith("it contains b, c, d and 3 more (each a run,")
    (tmp_path / "001-f.gnt").touch()
    assert describe_path(tmp_path).startswith("it contains GNT files,")


def test_raw_data_in_folders_is_seen_and_its_command_named(tmp_path: Path) -> None:
    a_folder(tmp_path / "一", "1.png")
    a_folder(tmp_path / "丁", "1.png")
    described = describe_path(tmp_path)
    assert described == "it contains folders of images, for hwgen prepare-images"
    assert prepare_command(described) == "hwgen prepare-images"
    for other in ("", "it is a run, for hwgen synthesize", "it is a zip, for hwgen prepare-gnt or"):
        assert prepare_command(other) == ""


@pytest.mark.parametrize(
    ("mark", "name", "said"),
    [
        ("manifest.json", "data.mdb", "it is a file of {}, which is a store,"),
        ("manifest.json", "manifest.json", "it is a file of {}, which is a store,"),
        ("model.safetensors", "model.safetensors", "it is a file of {}, which is an exported mod"),
        (".export.json", "001-f.gnt", "it contains GNT"),
    ],
)
def test_a_file_is_known_by_its_folder(tmp_path: Path, mark: str, name: str, said: str) -> None:
    folder = a_folder(tmp_path / "x", mark)
    (folder / name).touch()
    assert describe_path(folder / name).startswith(said.format(folder))


def test_the_folder_of_a_file_and_those_in_a_folder_are_near(tmp_path: Path) -> None:
    store = a_folder(tmp_path / "store", "manifest.json")
    (store / "data.mdb").touch()
    for path in (store / "data.mdb", tmp_path):
        assert suggest_path(path, "Else", ["manifest.json"]) == f"Did you mean {store}?"
        assert suggest_path(path, "Else", ["run.json"]) == "Else"
        assert suggest_path(path, "Else") == "Else"
    assert suggest_path(store, "Else", ["manifest.json"]) == "Else"


def test_the_first_known_name_tells() -> None:
    assert describe_names([]) == ""
    assert describe_names(["a.txt", "deep/er/b.pot", "c.gnt"]).startswith("it contains POT")


def test_near_names_in_the_same_folder_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("train", "train.partial", "train.lock", ".trian", "other"):
        (tmp_path / name).touch()
    assert suggest_path(tmp_path / "trian", "Else") == f"Did you mean {tmp_path / 'train'}?"
    assert suggest_path(tmp_path / "xyz", "Else") == "Else"
    assert suggest_path(tmp_path / "train", "Else") == "Else"
    assert suggest_path(tmp_path / "no" / "where", "Else") == "Else"
    monkeypatch.chdir(tmp_path)
    assert suggest_path(Path("trian"), "") == "Did you mean train?"
    Path("trains").touch()
    assert suggest_path(Path("trian"), "") == "Did you mean train or trains?"
