import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hwgen.errors import InputError
from hwgen.exports import export_store
from hwgen.exports import hub as uploads
from hwgen.exports.hub import dataset_card, upload
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
    export_store(make_store(), "folder", folder)
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
    change(exported, simulated=False)
    with pytest.raises(InputError, match="real samples"):
        upload(exported, "me/real", public=True)
    assert server.repositories == {}
    upload(exported, "me/real")
    assert server.repositories == {"datasets/me/real": True}


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
        upload(exported, "me/a/b")
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

    with pytest.raises(SystemExit):
        app(["upload", str(exported), "me/set", "--json"])
    assert json.loads(capsys.readouterr().out)["kind"] == "dataset"
