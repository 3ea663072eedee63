import json
import os
import signal
import stat
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from hwgen.compute.tensor_files import (
    file_hash,
    load_network,
    load_tensors,
    load_texts,
    save_tensors,
)
from hwgen.errors import RunError
from hwgen.io.files import write_text
from hwgen.runs.checkpoints import Checkpoint, read_checkpoint


def test_tensors_and_texts_survive(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "x.safetensors"
    shared = torch.randn(3, 4)
    tensors = {
        "a": shared,
        "view": shared.T,
        "channels_last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "half": torch.randn(2).bfloat16(),
        "count": torch.tensor(7),
    }
    save_tensors(path, tensors, {"charset": "一丨"})
    found, texts = load_tensors(path)
    assert texts == {"charset": "一丨"}
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype
    assert list(path.parent.iterdir()) == [path]


SAVED = """
import sys
from pathlib import Path
import torch
from hwgen.compute.tensor_files import save_tensors
torch.manual_seed(0)
texts = {f"text {n}": "".join(map(chr, range(n, 0x100))) + "一\\U0002f800" for n in range(12)}
tensors = {f"x{n}": torch.randn(n, 2).to((torch.float, torch.half)[n % 2]) for n in range(9)}
order = -1 if sys.argv[2] == "reversed" else 1
save_tensors(
    Path(sys.argv[1]), dict(list(tensors.items())[::order]), dict(list(texts.items())[::order])
)
"""


def test_equal_tensors_and_texts_give_equal_bytes_in_any_process(tmp_path: Path) -> None:
    for number, order in enumerate(("as they are", "as they are", "reversed")):
        environment = {**os.environ, "PYTHONHASHSEED": str(number)}
        command = [sys.executable, "-c", SAVED, tmp_path / f"{number}.safetensors", order]
        subprocess.run(command, check=True, env=environment)
    files = [tmp_path / f"{number}.safetensors" for number in range(3)]
    assert len({file.read_bytes() for file in files}) == 1
    assert len({file_hash(file) for file in files}) == 1
    tensors, texts = load_tensors(files[0])
    assert texts["text 0"] == "".join(map(chr, range(0x100))) + "一\U0002f800"
    assert len(texts) == 12
    assert len(tensors) == 9
    assert tensors["x8"].shape == (8, 2)


def test_files_of_any_order_are_read(tmp_path: Path) -> None:
    texts = {f"text {n}": str(n) for n in range(12)}
    # As written by hwgen 0.2 and earlier, and by other programs.
    safetensors.torch.save_file({"x": torch.ones(2)}, tmp_path / "old", metadata=texts)
    assert load_texts(tmp_path / "old") == texts


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_says_who_may_read(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        save_tensors(tmp_path / "x.safetensors", {"x": torch.zeros(2)}, {})
        save_tensors(tmp_path / "x.safetensors", {"x": torch.ones(2)}, {})  # in its place too
        write_text(tmp_path / "text", "as other files")
    finally:
        os.umask(before)
    for name in ("x.safetensors", "text"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from hwgen.compute import tensor_files
def save_file(tensors, file, metadata):
    # As safetensors does.
    file.with_name(".tmpByChance").write_bytes(b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)
tensor_files.save_file = save_file
tensor_files.save_tensors(Path(sys.argv[1]), {"x": torch.ones(2)}, {})
"""


def test_what_a_kill_left_goes_with_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"x": torch.zeros(2)}, {})
    killed = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*"))) == 3  # the old file, a folder, what is half of a file
    assert not load_tensors(path)[0]["x"].any()
    save_tensors(path, {"x": torch.ones(2)}, {})
    assert load_tensors(path)[0]["x"].all()
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_finished_has_nothing_beside_it_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "x.safetensors", list[list[str]]()
    rename = Path.replace

    def watched(old: Path, new: Path) -> Path:
        done = rename(old, new)
        seen.append(sorted(entry.name for entry in tmp_path.iterdir()))
        return done

    monkeypatch.setattr(Path, "replace", watched)
    save_tensors(path, {"x": torch.zeros(2)}, {})
    assert seen[-1] == [path.name]


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "half": content[: len(content) // 2],
            "last byte": content[:-1],
            "header": b"\xff" * 8 + content[8:],
            "text": b"not tensors at all, but long enough",
        }[how]
    )


@pytest.mark.parametrize("how", ["empty", "half", "last byte", "header", "text"])
def test_damaged_files_are_named(tmp_path: Path, how: str) -> None:
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": torch.randn(20)}, {})
    damage(path, how)
    with pytest.raises(RunError, match=r"x.safetensors: is not a readable safetensors file"):
        load_tensors(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.safetensors", tmp_path):
        with pytest.raises(RunError, match="no such weights file"):
            load_tensors(path)


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1" * (1 << 21))
    (tmp_path / "b").write_bytes(b"1" * (1 << 21))
    (tmp_path / "c").write_bytes(b"1" * (1 << 21) + b"2")
    hashes = [file_hash(tmp_path / name) for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 16
    (tmp_path / "empty").touch()
    assert file_hash(tmp_path / "empty") == "e3b0c44298fc1c14"  # SHA-256 of nothing


def forged(path: Path, header: Any) -> Path:
    """A file of this header and sixteen bytes of tensors."""
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    return path


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}},
        {"a": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}},
        {
            "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
            "b": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        },
        {"a": {"dtype": "PY_OBJECT", "shape": [4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
    ],
)
def test_headers_that_claim_other_than_what_is_there_are_refused(
    tmp_path: Path, header: Any
) -> None:
    path = forged(tmp_path / "x.safetensors", header)
    tracemalloc.start()
    try:
        for read in (load_tensors, load_texts):
            with pytest.raises(RunError, match="is not a readable safetensors file"):
                read(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 40) + b"{}")
    with pytest.raises(RunError, match="is not a readable safetensors file"):
        load_tensors(path)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "sprung",)

    path = tmp_path / "x.safetensors"
    torch.save({"net.weight": Trap()}, path)
    with pytest.raises(RunError, match="is not a readable safetensors file"):
        load_network(path, "net", lambda: nn.Linear(2, 3))
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_is_read_or_refused(tmp_path: Path) -> None:
    path, sound = tmp_path / "here", {"run": "a", "step": "7", "seconds": "1.5"}
    assert read_checkpoint(path, "a") == Checkpoint(0, 0.0, {})
    save_tensors(path, {"w": torch.ones(2)}, sound)
    found = read_checkpoint(path, "a")
    assert (found.step, found.seconds, list(found.tensors)) == (7, 1.5, ["w"])
    with pytest.raises(RunError, match=r"here: belongs to run 'a', not to 'b'.*Remove it"):
        read_checkpoint(path, "b")
    for texts in (
        {},
        {"step": "7"},
        {"step": "x", "seconds": "1"},
        {"step": "-1", "seconds": "1"},
        {"step": "1", "seconds": "nan"},
        {"step": "1", "seconds": "inf"},
    ):
        save_tensors(path, {"w": torch.ones(2)}, {"run": "a", **texts})
        with pytest.raises(RunError, match="here: is not a checkpoint"):
            read_checkpoint(path, "a")
