import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hwgen.errors import InputError
from hwgen.exports import Selection, Shards, export_store
from hwgen.exports import hub as uploads
from hwgen.exports.hub import dataset_card, upload, warning
from hwgen.sources.provenance import MARKER
from hwgen_cli.__main__ import app
from tests.exports.conftest import MakeStore
from tests.exports.hub_server import Hub, hub_server

NOTICE = "strokes by Somebody, licence L"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub")
    with hub_server() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield hub


@pytest.fixture
def exported(make_store: MakeStore, tmp_path: Path) -> Path:
    """Simulated characters in folders."""
    folder = tmp_path / "simulated"
    export_store(make_store(kind="strokes"), "folder", folder)
    change(folder, simulated=True, notice=NOTICE)
    return folder


def change(folder: Path, **fields: Any) -> None:
    description = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    (folder / MARKER).write_text(json.dumps(description | fields), encoding="utf-8")


def test_a_set_with_its_card_and_nothing_else(server: Hub, exported: Path) -> None:
    (exported / "private.txt").write_text("mine")

    result = upload(exported, "me/set", public=True)

    sent = server.files["datasets/me/set"]
    assert result.files == sorted(sent)
    assert result.left_out == ["private.txt"]
    assert (result.kind, result.public) == ("dataset", True)
    assert result.url == f"{server.url}/datasets/me/set"
    assert server.repositories == {"datasets/me/set": False}
    assert server.tokens == {"Bearer hf_secret"}
    on_disk = {p.relative_to(exported).as_posix(): p.read_bytes() for p in exported.rglob("*.png")}
    assert len(on_disk) == 23
    assert {path: sent[path] for path in on_disk} == on_disk
    assert sent[MARKER] == (exported / MARKER).read_bytes()
    card = sent["README.md"].decode()
    assert "23 images" in card
    assert NOTICE in card
    assert "private.txt" not in sent


def test_a_repository_is_private_unless_asked_otherwise(server: Hub, exported: Path) -> None:
    assert not upload(exported, "me/set").public
    assert server.repositories == {"datasets/me/set": True}
    server.files.clear()
    upload(exported, "me/set")  # again, into the same repository
    assert len(server.files["datasets/me/set"]) == 27

    with pytest.raises(InputError, match="exists already and is private"):
        upload(exported, "me/set", public=True)
    server.repositories["datasets/me/open"] = False
    server.files.clear()
    with pytest.raises(InputError, match="exists already and is public"):
        upload(exported, "me/open")
    assert server.files == {}


def test_real_samples_do_not_become_public(server: Hub, exported: Path) -> None:
    change(exported, simulated=False, generated=False)
    assert warning(exported).startswith("holds real samples")
    with pytest.raises(InputError, match="holds real samples"):
        upload(exported, "me/real", public=True)
    assert server.repositories == {}
    upload(exported, "me/real")
    assert server.repositories == {"datasets/me/real": True}


@pytest.mark.parametrize(
    ("origin", "certain"),
    [
        ({"kind": "strokes", "simulated": True}, True),
        ({"kind": "simulated", "simulated": True, "generated": True}, True),
        ({"kind": "synthetic", "generated": True}, True),
        ({"kind": "subset", "of_origin": {"kind": "synthetic", "generated": True}}, True),
        ({"kind": "synthetic"}, False),  # deformed, or of an older version
        ({"kind": "images", "simulated": True}, False),  # of a real and a simulated folder
        ({"kind": "images", "synthetic": True}, False),
        ({"kind": "gnt"}, False),
    ],
)
def test_only_what_is_certainly_generated_becomes_public(
    server: Hub, make_store: MakeStore, tmp_path: Path, origin: dict[str, Any], certain: bool
) -> None:
    out = tmp_path / "out"
    export_store(make_store(origin=origin), "ocr-lmdb", out)
    assert (warning(out) == "") == certain
    if certain:
        assert upload(out, "me/x", public=True).public
        return
    with pytest.raises(InputError, match="real samples"):
        upload(out, "me/x", public=True)
    assert server.repositories == {}
    assert not upload(out, "me/x").public
    card = server.files["datasets/me/x"]["README.md"].decode()
    assert ("in part real" in card) == (origin["kind"] != "gnt")


def test_an_export_that_does_not_say_it_stays_private(server: Hub, exported: Path) -> None:
    description = json.loads((exported / MARKER).read_text(encoding="utf-8"))
    del description["generated"]  # as before it was recorded
    (exported / MARKER).write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(InputError, match="may hold real samples"):
        upload(exported, "me/x", public=True)
    assert server.repositories == {}


@pytest.mark.parametrize("format", ["webdataset", "folder", "gnt"])
def test_what_an_earlier_upload_left_is_deleted(
    server: Hub, make_store: MakeStore, tmp_path: Path, format: str
) -> None:
    halves = Selection(split=(("train", 0.5), ("test", 0.5)))
    large = make_store("large", writers=("001", "002", "003"))
    export_store(large, format, tmp_path / "1", selection=halves, shards=Shards(records=2))
    export_store(make_store("small", count=3), format, tmp_path / "2")
    upload(tmp_path / "1", "me/x")
    there = server.files["datasets/me/x"]
    before = set(there)
    suffix = {"webdataset": "tar", "folder": "png", "gnt": "gnt"}[format]
    mine = {f"mine-000001.{suffix}", f"U+554A/99.{suffix}", f"train/U+554A/99.{suffix}", "LICENSE"}
    mine |= {f"train/mine-000001.{suffix}", "extra/data-000000.tar", "label.txt"}
    there.update(dict.fromkeys(mine, b"mine"))

    result = upload(tmp_path / "2", "me/x")

    assert set(there) == mine | set(result.files)
    assert result.deleted == sorted(before - set(result.files))
    assert len(result.deleted) >= 3
    assert upload(tmp_path / "2", "me/x").deleted == []


def test_without_an_earlier_upload_of_the_format_nothing_is_deleted(
    server: Hub, make_store: MakeStore, exported: Path, tmp_path: Path
) -> None:
    upload(exported, "me/x")
    there = server.files["datasets/me/x"]
    export_store(make_store("s"), "gnt", tmp_path / "gnt")
    for damaged in (there[MARKER], b"{", b"[]", b"{}", b'{"recipe": 1}', b"\xff"):
        there[MARKER] = damaged
        assert upload(tmp_path / "gnt", "me/x").deleted == []
    there[MARKER] = (exported / MARKER).read_bytes()
    there["provenance.csv"] = b"file,label\n"  # damaged
    (exported / "U+5EA7").rename(tmp_path / "away")
    assert upload(exported, "me/x").deleted == []
    assert "U+5EA7/000000002.png" in there


@pytest.mark.parametrize("format", ["folder", "paddle"])
def test_a_users_images_among_those_of_an_export_stay(
    server: Hub, make_store: MakeStore, tmp_path: Path, format: str
) -> None:
    out = tmp_path / "out"
    export_store(make_store(kind="strokes"), format, out)
    place = next(out.rglob("*.png")).parent
    (place / "123456.png").write_bytes(b"a photo")
    (place / MARKER).write_bytes(b"{}")

    result = upload(out, "me/x", public=True)

    mine = (place / "123456.png").relative_to(out).as_posix()
    assert mine not in result.files
    assert len([path for path in result.files if path.endswith(".png")]) == 23
    assert (place / MARKER).relative_to(out).as_posix() not in result.files
    assert result.left_out == [mine]
    with pytest.raises(InputError, match=r"did not make: .*123456\.png"):
        export_store(make_store("other", seed=1), format, out, overwrite=True)

    for content in (None, b"file,label\nx.png,y\n", b"\xff"):
        (out / "provenance.csv").unlink()
        if content is not None:
            (out / "provenance.csv").write_bytes(content)
        with pytest.raises(InputError, match=r"provenance\.csv: is missing or damaged"):
            upload(out, "me/x")
        (out / "provenance.csv").touch()


def test_a_model_keeps_its_card(server: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / MARKER).write_text('{"recipe": {"format": "model"}}')
    for name in ("model.safetensors", "charset.json", "README.md", "notes.txt"):
        (folder / name).write_text(f"text of {name}")

    result = upload(folder, "me/model", public=True)

    assert result.url == f"{server.url}/me/model"
    sent = server.files["models/me/model"]
    assert sorted(sent) == [MARKER, "README.md", "charset.json", "model.safetensors"]
    assert sent["README.md"] == b"text of README.md"
    assert result.left_out == ["notes.txt"]


@pytest.mark.parametrize("onnx", [True, False])
@pytest.mark.parametrize("shown", [True, False])
def test_a_model_of_an_older_version(server: Hub, tmp_path: Path, onnx: bool, shown: bool) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    recipe = {"format": "model", "onnx": onnx}
    (folder / MARKER).write_text(json.dumps({"recipe": recipe}))
    for name in ("model.safetensors", "charset.json", "samples.png", "model.onnx"):
        (folder / name).write_text(f"text of {name}")
    (folder / "README.md").write_text("![Samples](samples.png)" if shown else "")

    result = upload(folder, "me/model")

    assert ("model.onnx" in result.files) == onnx
    assert ("samples.png" in result.files) == shown
    assert result.left_out == [
        name for name in ("model.onnx", "samples.png") if name not in result.files
    ]


def test_files_that_a_model_lists(server: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    names = ["README.md", "charset.json", "model.onnx", "model.safetensors"]
    for name in (*names, "samples.png"):
        (folder / name).write_text(f"text of {name}")
    change_model(folder, names)
    result = upload(folder, "me/model")
    assert result.files == [MARKER, *names]
    assert result.left_out == ["samples.png"]

    change_model(folder, [name for name in names if name != "model.onnx"])
    server.files["models/me/model"]["samples.png"] = b"mine"
    assert upload(folder, "me/model").deleted == ["model.onnx"]
    assert "samples.png" in server.files["models/me/model"]


def change_model(folder: Path, names: list[str]) -> None:
    description = {"recipe": {"format": "model"}, "files": names}
    (folder / MARKER).write_text(json.dumps(description), encoding="utf-8")


def test_links_stay(server: Hub, exported: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    image = next(exported.rglob("*.png"))
    image.unlink()
    image.symlink_to(tmp_path / "secret")
    upload(exported, "me/set")
    assert image.relative_to(exported).as_posix() not in server.files["datasets/me/set"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not an export"),
        ("{", "not an export"),
        ("{}", "not an export"),
        ('{"recipe": {"format": "nonsense"}, "records": {}, "charset": []}', "not an export"),
        ('{"recipe": {"format": "folder"}, "records": {"": 1}, "charset": []}', "not finished"),
    ],
)
def test_other_folders_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / MARKER).write_text(text)
    with pytest.raises(InputError, match=message):
        upload(tmp_path, "me/x")


@pytest.mark.parametrize("name", ["set", "me/my/set", "me/", "me/my set"])
def test_names_of_no_repository_are_refused_before_the_server_is_asked(
    exported: Path, name: str
) -> None:
    with pytest.raises(InputError, match="expected a repository as USER/NAME"):
        upload(exported, name)


def test_too_many_files(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 10)
    with pytest.raises(InputError, match=r"26 files, and an upload at most 10.*parquet"):
        upload(exported, "me/x")


def test_a_refused_or_missing_server_is_an_error_with_advice(
    server: Hub, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(InputError, match=r"the upload failed: .*401.*hf auth login"):
        upload(exported, "me/set")
    with pytest.raises(InputError, match=r"the upload failed: HFValidationError"):
        upload(exported, "me/a--b")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="the upload failed"):
        upload(exported, "me/set")
    assert server.repositories == {}


def test_without_huggingface_hub(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"huggingface_hub.*pip install"):
        upload(exported, "me/set")


def test_the_card_of_a_split() -> None:
    card = dataset_card(
        {
            "format": "parquet",
            "records": {"train": 1200, "test": 30},
            "charset": ["永", "和"],
            "synthetic": True,
            "notice": "a\n---\nb",
        },
        "set",
    )
    assert card.count("\n---\n") == 1
    assert "- train: 1,200 images\n- test: 30 images\n- 2 labels\n" in card
    assert 'tags: ["hwgen", "handwritten-chinese", "synthetic"]' in card
    assert "a --- b" in card


def test_the_command(server: Hub, exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (exported / "other.txt").write_text("")
    with pytest.raises(SystemExit) as left:
        app(["upload", str(exported), "me/set"])
    assert left.value.code in (0, None)
    printed = capsys.readouterr().out
    assert f"{server.url}/datasets/me/set: private dataset, 27 files" in printed
    assert "not uploaded, since the export did not write it: other.txt" in printed

    change(exported, generated=False)
    (exported / "U+5EA7").rename(exported.parent / "away")
    with pytest.raises(SystemExit):
        app(["upload", str(exported), "me/set"])
    printed = capsys.readouterr()
    assert f"warning: {exported}: may hold real samples" in " ".join(printed.err.split())
    assert "deleted there, of an earlier upload: U+5EA7/000000002.png" in printed.out

    with pytest.raises(SystemExit):
        app(["upload", str(exported), "me/set", "--json"])
    assert json.loads(capsys.readouterr().out)["kind"] == "dataset"
