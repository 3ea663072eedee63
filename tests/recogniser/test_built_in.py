"""The recogniser that comes with hwgen."""

from pathlib import Path

import numpy as np
import pytest
import torch

import hwgen
from hwgen.charset import gb2312_level1
from hwgen.errors import InputError
from hwgen.recogniser.built_in import BUILT_IN, recogniser_file
from hwgen.recogniser.inference import Recogniser
from hwgen.recogniser.loading import load_recogniser
from hwgen.recogniser.network import LIGHT, RecogniserNetwork
from hwgen.recogniser.pretrained import load_pretrained
from hwgen.recogniser.store_checks import known_records
from hwgen.recogniser.training import copy_weights
from hwgen.record import Record
from hwgen.results.trials import total_steps
from hwgen.sources.casia_files import GNT, find_files
from hwgen.sources.gnt import read_gnt

CPU = torch.device("cpu")


def test_it_reads_hands_that_it_did_not_see() -> None:
    recogniser = load_recogniser("simulated", device="cpu")
    assert set(recogniser.charset) == set(gb2312_level1())
    text = "".join(gb2312_level1())[::40]
    images = hwgen.load_generator("simulated").sample(text, seed=7)
    read = recogniser.predict(images)
    assert np.mean([found == label for found, label in zip(read, text, strict=True)]) > 0.8


def test_it_reads_real_scans(shared_data: Path) -> None:
    recogniser = load_recogniser("simulated", device="cpu")
    records: list[Record] = []
    for file in find_files([shared_data / "hwdb" / "HWDB89tst_gnt.zip"], GNT):
        with file.open() as stream:
            items = read_gnt(stream, source=file.name, writer=file.writer)
            records += [item for item in items if isinstance(item, Record)]
    known = [record for record in records if record.label in recogniser.charset][::20]
    read = recogniser.predict([record.image for record in known])
    right = [found == record.label for found, record in zip(read, known, strict=True)]
    assert np.mean(right) > 0.3  # among 3,755 classes


def test_trainings_start_from_it_with_its_preset() -> None:
    start = load_pretrained(Path("simulated"), CPU)
    assert {p.dtype for p in start.network.parameters()} == {torch.float32}
    network = RecogniserNetwork(LIGHT, 5)
    copy_weights(network, start)
    assert torch.equal(network[0].weight, start.network[0].weight)
    # What a comparison at equal training and a check of test stores need.
    assert total_steps(start.provenance["decides"]) == 20_000
    assert start.provenance["decides"]["data"]


def test_a_file_of_that_name_is_not_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "simulated").mkdir()  # the usual folder of hwgen simulate
    assert recogniser_file("simulated") == BUILT_IN["simulated"]
    (tmp_path / "simulated").rmdir()
    (tmp_path / "simulated").touch()
    with pytest.raises(InputError, match="'simulated' is a recogniser that comes with hwgen, and"):
        recogniser_file(Path("simulated"))
    assert recogniser_file("other.onnx") == Path("other.onnx")


def test_it_is_small_and_says_what_it_is() -> None:
    file = BUILT_IN["simulated"]
    assert file.stat().st_size < 4 << 20
    card = file.with_name("CARD.md").read_text("utf-8")
    assert "Arphic Public License" in card
    # Who tests on its training samples is refused, at whatever size.
    assert known_records(Recogniser.load(file, CPU).provenance)
