"""Do composed lines help a recogniser that reads lines? A small CRNN on lines of each source.

    python -m benchmarks.line_recogniser --test test --steps 1500,4500 --out DIR \
        --arm "5 real=real5" --arm "5 real + simulated=real5,simulated"

The stores of the arms are those of a lift: its folders draws/ and synthetic/. The lines of an arm
are composed by `hwgen lines` from its stores, equally many of each, in the same random texts of 1
to 6 of the stores' characters in every arm; those of the test store, real characters of other
writers, in texts drawn anew. The recogniser (Shi et al. 2017, arXiv 1507.05717) has convolutions, a
recurrent layer in both directions, and the loss CTC (Graves et al. 2006), and is trained once for
each number of steps; limits are over the test writers alone. Finished arms are kept, and a rerun
goes on with the others.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image as PilImage
from torch import Tensor, nn

from benchmarks.options import make_parser
from benchmarks.provenance import provenance
from hwgen.evaluation.metrics.intervals import t_interval
from hwgen.io.json_files import read_object, write_json
from hwgen.schema import check_same
from hwgen.store import Store

HEIGHT = 32
BATCH = 16
LENGTHS = (1, 6)
WIDTHS = (24, 48, 64, 96)
HIDDEN = 128
LR = 2e-3


@dataclass(frozen=True)
class Line:
    """An image uint8 [HEIGHT, W] with its characters, and who wrote it."""

    image: np.ndarray[Any, np.dtype[np.uint8]]
    text: str
    writer: str


class Crnn(nn.Module):
    """Line images to log-probabilities of each class, and of none (0), at each step.

    Args:
        classes: number of characters.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for number, width in enumerate(WIDTHS):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False)]
            # The height becomes 2; of the width a quarter is left, 7 steps a character.
            layers += [nn.MaxPool2d((2, 2) if number < 2 else (2, 1))]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.maps = nn.Sequential(*layers)
        self.sequence = nn.GRU(2 * before, HIDDEN, bidirectional=True, batch_first=True)
        self.out = nn.Linear(2 * HIDDEN, classes + 1)

    def forward(self, x: Tensor) -> Tensor:
        """X float [N, 1, HEIGHT, W] -> [N, W / 4, classes + 1]."""
        h = self.maps(x).flatten(1, 2).transpose(1, 2)
        h, _ = self.sequence(h)
        return F.log_softmax(self.out(F.dropout(h, 0.3, self.training)), dim=2)


def compose(store: Path, out: Path, corpus: Path, count: int, seed: int) -> list[Line]:
    """Lines of a store's characters, written by `hwgen lines`, unless they are there."""
    words = ["--from", store, "--corpus", corpus, "--format", "paddle", "--out", out]
    words += ["--count", count, "--sampling", "balanced", "--seed", seed, "--height", HEIGHT]
    words += ["--min-length", LENGTHS[0], "--max-length", LENGTHS[1]]
    command = [sys.executable, "-m", "hwgen_cli", "lines", *map(str, words)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    lines = []
    with (out / "provenance.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            image = PilImage.open(out / row["file"]).convert("L")
            lines.append(Line(np.asarray(image), row["label"], row["writer"]))
    return lines


def batch(lines: Sequence[Line]) -> tuple[Tensor, Tensor]:
    """Images [N, 1, HEIGHT, W], ink 1 on paper 0, padded with paper, and the width of each."""
    widths = torch.tensor([line.image.shape[1] for line in lines])
    x = torch.zeros(len(lines), 1, HEIGHT, -(-int(widths.max()) // 4) * 4)
    for row, line in zip(x, lines, strict=True):
        row[0, :, : line.image.shape[1]] = 1 - torch.from_numpy(line.image.copy()).float() / 255
    return x, widths


def train(sets: Sequence[Sequence[Line]], labels: str, steps: int, seed: int) -> tuple[Crnn, float]:
    """A CRNN trained on batches with equally many lines of each set, and its last mean loss."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    ids = {label: number for number, label in enumerate(labels, 1)}
    net = Crnn(len(labels)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=1e-2)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps, pct_start=0.1)
    losses: list[float] = []
    began = time.monotonic()
    for step in range(steps):
        each = BATCH // len(sets)
        chosen = [own[int(n)] for own in sets for n in rng.integers(len(own), size=each)]
        x, widths = batch(chosen)
        x = distorted(x, rng)
        target = torch.tensor([ids[character] for line in chosen for character in line.text])
        lengths = torch.tensor([len(line.text) for line in chosen])
        read = net(x).transpose(0, 1)
        loss = F.ctc_loss(read, target, widths // 4, lengths, zero_infinity=True)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        cycle.step()
        losses.append(float(loss.detach()))
        if not (step + 1) % 200:
            rate = (step + 1) / (time.monotonic() - began)
            recent = np.mean(losses[-200:])
            print(f"  {step + 1} steps, loss {recent:.3f}, {rate:.1f}/s", flush=True)
    return net.eval(), float(np.mean(losses[-200:]))


def distorted(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Lines sheared, shifted and scaled at random, up and down by at most a tenth."""
    count = len(x)
    shear, high, up = (torch.from_numpy(rng.uniform(-0.1, 0.1, count)).float() for _ in range(3))
    wide = torch.from_numpy(rng.uniform(0.95, 1.05, count)).float()
    zero = torch.zeros(count)
    # In halves of height and width: sideways by at most a tenth of the height.
    first = torch.stack([wide, shear * (HEIGHT / x.shape[3]) * 2, zero], dim=1)
    second = torch.stack([zero, 1 + high, up], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


@torch.no_grad()
def read(net: Crnn, lines: Sequence[Line], labels: str) -> list[str]:
    """The most probable class at each step, without repetitions and without none."""
    texts = []
    for start in range(0, len(lines), 64):
        some = lines[start : start + 64]
        x, widths = batch(some)
        for row, width in zip(net(x).argmax(dim=2), widths.tolist(), strict=True):
            best = row[: width // 4].tolist()
            kept = [n for n, before in zip(best, [0, *best], strict=False) if n and n != before]
            texts.append("".join(labels[n - 1] for n in kept))
    return texts


def edits(a: str, b: str) -> int:
    """Characters to insert, delete or replace so that a becomes b (Levenshtein 1966)."""
    row = list(range(len(b) + 1))
    for number, one in enumerate(a, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(b, 1):
            before, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, before + (one != other)),
            )
    return row[-1]


def score(texts: Sequence[str], lines: Sequence[Line]) -> dict[str, Any]:
    """Characters and whole lines read right, %; limits of the mean over writers."""
    wrong: dict[str, list[int]] = {}
    for text, line in zip(texts, lines, strict=True):
        counts = wrong.setdefault(line.writer, [0, 0])
        counts[0] += edits(text, line.text)
        counts[1] += len(line.text)
    rates = [100 * (1 - errors / characters) for errors, characters in wrong.values()]
    found = t_interval(rates, lowest=0.0, highest=100.0)
    whole = np.mean([a == line.text for a, line in zip(texts, lines, strict=True)])
    return {
        "characters": [found.mean, found.low, found.high],
        "by_writer": dict(zip(wrong, rates, strict=True)),
        "whole_lines": 100 * float(whole),
    }


def _arms(named: Sequence[str]) -> Iterator[tuple[str, list[Path]]]:
    for text in named:
        name, _, stores = text.partition("=")
        yield name, [Path(store) for store in stores.split(",")]


def _table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| lines of | steps | characters | whole lines |", "|---|---:|---:|---:|"]
    for row in rows.values():
        mean, low, high = row["characters"]
        limits = "" if low is None else f" ({low:.1f} to {high:.1f})"
        found = f"{mean:.1f}{limits} | {row['whole_lines']:.1f}"
        lines.append(f"| {row['arm']} | {row['steps']:,} | {found} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--arm", action="append", required=True, help="NAME=STORE,STORE")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--steps", default="1500,4500")
    parser.add_argument("--lines", type=int, default=8000, help="of each store")
    parser.add_argument("--test-lines", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    test_store: Path = options.test
    labels = "".join(Store(test_store).charset)
    corpus = out / "characters.txt"
    corpus.write_text(labels + "\n", "utf-8")
    test = compose(test_store, out / "lines" / "test", corpus, options.test_lines, 1)
    file = out / "lines.json"
    rows: dict[str, Any] = read_object(file)["rows"] if file.is_file() else {}
    for name, stores in _arms(options.arm):
        sets: list[list[Line]] = []
        for steps in map(int, options.steps.split(",")):
            key = f"{name}, {steps} steps"
            settings = {
                "stores": [Store(store).manifest.content_sha256 for store in (*stores, test_store)],
                "lines": [options.lines, options.test_lines],
                "seed": options.seed,
            }
            if key in rows:
                check_same(rows[key]["settings"], settings, "this arm was trained", where=str(file))
                continue
            for store in stores if not sets else []:
                place = out / "lines" / "-".join(store.parts[-3:])
                sets.append(compose(store, place, corpus, options.lines, 0))
            print(key, flush=True)
            began = time.monotonic()
            net, loss = train(sets, labels, steps, options.seed)
            rows[key] = {
                "arm": name,
                "steps": steps,
                "settings": settings,
                "loss": round(loss, 4),
                "seconds": round(time.monotonic() - began, 1),
                **score(read(net, test, labels), test),
            }
            write_json(file, {**provenance(__file__, arguments), "rows": rows})
            print(_table({key: rows[key]}).splitlines()[-1], flush=True)
    print(_table(rows))


if __name__ == "__main__":
    main()
