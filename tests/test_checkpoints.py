from pathlib import Path

import pytest
import torch
from torch import nn

from hwgen.checkpoints import (
    file_hash,
    load_module,
    load_optimizer,
    load_tensors,
    module_tensors,
    optimizer_tensors,
    save_tensors,
)
from hwgen.errors import RunError


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
    with pytest.raises(RunError, match=r"x.safetensors: is not a checkpoint"):
        load_tensors(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.safetensors", tmp_path):
        with pytest.raises(RunError, match="no such checkpoint"):
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


@pytest.mark.parametrize(
    "other", [nn.Linear(3, 3), nn.Linear(2, 3, bias=False), nn.Conv2d(1, 1, 1)]
)
def test_misfits_are_refused(other: nn.Module) -> None:
    tensors = module_tensors("g", nn.Linear(2, 3))
    with pytest.raises(RunError, match=r"here: does not fit its recipe"):
        load_module("g", other, tensors, Path("here"))
    with pytest.raises(RunError):
        load_module("d", nn.Linear(2, 3), tensors, Path("here"))


def network() -> nn.Module:
    torch.manual_seed(0)
    # channels_last with several channels and a kernel: rows of memory are not rows of the tensor.
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 2))
    return layers.to(memory_format=torch.channels_last)


def optimizer(kind: str, net: nn.Module) -> torch.optim.Optimizer:
    if kind == "adam":
        return torch.optim.Adam(net.parameters(), lr=0.1, fused=True)
    return torch.optim.RMSprop(net.parameters(), lr=0.1)


def work(net: nn.Module, optim: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        torch.manual_seed(step)
        optim.zero_grad()
        net(torch.randn(2, 3, 5, 5)).square().sum().backward()
        optim.step()


@pytest.mark.parametrize("kind", ["adam", "rmsprop"])
def test_going_on_from_a_file_is_going_on(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.safetensors"
    straight = network()
    work(straight, optimizer(kind, straight), range(8))

    first = network()
    optim = optimizer(kind, first)
    work(first, optim, range(3))
    save_tensors(path, {**module_tensors("net", first), **optimizer_tensors("optim.d", optim)}, {})
    second = network()
    optim = optimizer(kind, second)
    tensors, _ = load_tensors(path)
    load_module("net", second, tensors, path)
    load_optimizer("optim.d", optim, tensors)
    work(second, optim, range(3, 8))
    for name, tensor in straight.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], tensor, rtol=1e-5, atol=1e-6)


def test_an_optimiser_without_steps_survives(tmp_path: Path) -> None:
    net = network()
    tensors = optimizer_tensors("o", optimizer("adam", net))
    assert tensors == {}
    optim = optimizer("adam", net)
    load_optimizer("o", optim, tensors)
    assert not optim.state
