import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import line_recogniser
from benchmarks.line_recogniser import Crnn, Line, batch, distorted, edits, main, read, score
from hwgen.charset import Charset
from hwgen.errors import RecipeChangedError
from hwgen.imaging.framing import Framing
from hwgen.prepare.strokes import prepare_strokes
from hwgen.sources.strokes.choice import stroke_data
from hwgen.store import Store


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [
        ("", "", 0),
        ("永和", "永和", 0),
        ("永", "永和", 1),
        ("永和九", "永九", 1),
        ("和永", "永和", 2),
    ],
)
def test_edits_of_known_pairs(a: str, b: str, count: int) -> None:
    assert edits(a, b) == edits(b, a) == count


def test_characters_are_counted_by_writer() -> None:
    blank = np.full((32, 40), 255, np.uint8)
    lines = [Line(blank, "永和九年", "w0"), Line(blank, "春", "w1"), Line(blank, "永和", "w0")]
    found = score(["永和九", "春", "永和"], lines)
    assert found["by_writer"] == {"w0": pytest.approx(100 * 5 / 6), "w1": 100}
    assert found["characters"][0] == pytest.approx((100 * 5 / 6 + 100) / 2)
    assert found["whole_lines"] == pytest.approx(200 / 3)


def test_ink_is_1_on_paper_of_0_and_distortion_keeps_it() -> None:
    image = np.full((32, 42), 255, np.uint8)
    image[10:20, 10:30] = 0
    x, widths = batch([Line(image, "永", ""), Line(image[:, :21], "永", "")])
    assert x.shape == (2, 1, 32, 44)
    assert widths.tolist() == [42, 21]
    assert x[0].sum() == 200
    assert x[1].sum() == 110
    assert distorted(x, np.random.default_rng(0)).sum() == pytest.approx(310, rel=0.15)


def test_steps_of_one_class_are_one_character() -> None:
    class Fixed(Crnn):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            best = torch.tensor([0, 1, 1, 0, 1, 2, 2, 0, 3, 3])
            return torch.nn.functional.one_hot(best, 4)[None].float()

    line = Line(np.full((32, 36), 255, np.uint8), "", "")  # 9 steps
    assert read(Fixed(3), [line], "永和九") == ["永永和九"]


def test_arms_are_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(line_recogniser, "WIDTHS", (2, 2, 2, 2))
    stores = []
    for number, name in enumerate(("test", "first", "second")):
        writers = range(2 * number + 1, 2 * number + 3)
        prepare_strokes(
            stroke_data(),
            tmp_path / name,
            charset=Charset(tuple("永和九年")),
            writers=writers,
            framing=Framing(32),
            seed=0,
        )
        stores.append(str(tmp_path / name))
    test, first, second = stores
    options = ["--test", test, "--arm", f"one={first}", "--arm", f"two={first},{second}"]
    options += ["--steps", "1,2", "--lines", "4", "--test-lines", "3", "--out", f"{tmp_path}/out"]
    main(options)
    found = json.loads((tmp_path / "out" / "lines.json").read_text("utf-8"))["rows"]
    assert list(found) == ["one, 1 steps", "one, 2 steps", "two, 1 steps", "two, 2 steps"]
    hashes = [Store(store).manifest.content_sha256 for store in (first, second)]
    assert found["two, 2 steps"]["settings"]["stores"][:2] == hashes
    monkeypatch.setattr(line_recogniser, "train", None)  # nothing is left to train
    capsys.readouterr()
    main(options)
    assert "| two | 2 | " in capsys.readouterr().out
    with pytest.raises(RecipeChangedError, match="seed: 0 -> 1"):
        main([*options, "--seed", "1"])
