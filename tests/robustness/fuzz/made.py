"""Small results as hwgen writes them, and a check of the pages made from them."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hwgen.evaluation.measures import Measurement, figure
from hwgen.experiments.lift.summary import summarise
from hwgen.results.trials import Trial, TrialResult
from hwgen.schema import to_json

Made = dict[str, Any]


def made_row(trial: int, arm: str) -> TrialResult:
    """A finished trial."""
    right = [5 + trial + len(arm) % 3, 7, 9]
    amount = 10 if "synthetic" in arm else 0
    config = {"train": "abc", "recipe": {"steps": 9}, "start": None}
    return TrialResult(Trial(5, trial, arm, amount), config, right, [10, 12, 14], {"loss": 0.5})


def made_lift() -> Made:
    """A lift.json."""
    made = [
        made_row(trial, arm) for trial in range(2) for arm in ("classical", "classical+synthetic")
    ]
    return {
        "format": "hwgen-lift",
        "format_version": 1,
        "hwgen": "0.1.0",
        "protocol": {"kind": "few-shot", "draws": 2, "arms": ["classical", "classical+synthetic"]},
        "generator": {"kind": "deformation"},
        "decides": {"train": "abc", "judged_on": "def"},
        "train": "some/train",
        "test": {"store": "some/test", "writers_shared": 0},
        **to_json(summarise(made, {"rare": [0], "all": [0, 1, 2]}, 10)),
        "rows": to_json(made),
    }


def made_evaluation() -> Made:
    """An evaluation.json."""

    def store(name: str) -> Made:
        return {"path": name, "count": 12, "content_sha256": name * 8}

    return {
        "format": "hwgen-evaluation",
        "format_version": 1,
        "settings": {"samples": 12, "seed": 0},
        "versions": {"hwgen": "0.1.0"},
        "synthetic": store("synthetic"),
        "real": store("real"),
        "real_test": None,
        "notes": ["Little was compared."],
        "figures": {
            "purity": to_json(figure("purity", Measurement(0.9, 0.95, 0.8, 0.95))),
            "frechet": to_json(figure("frechet", Measurement(3.5, 1.0))),
            "exact_copies": to_json(figure("exact_copies", Measurement(0, None))),
        },
        "per_class": {"purity": {"一": 0.9, "丁": 0.8}},
        "worst": [],
    }


def made_benchmark() -> Made:
    """A benchmark.json."""

    def store(name: str) -> Made:
        return {"path": name, "count": 12, "charset_fingerprint": "f", "content_sha256": name * 8}

    def arm(top1: float) -> Made:
        interval = {"mean": top1, "low": top1 - 0.01, "high": top1 + 0.01}
        runs = [{"seed": n, "top1": top1, "top5": 0.99, "seconds": 100.0} for n in range(2)]
        return {"runs": runs, "top1": interval, "top5": interval}

    return {
        "format": "hwgen-benchmark",
        "format_version": 1,
        "settings": {"recipe": {"steps": 5}, "seeds": [0, 1], "device": "cpu"},
        "versions": {"hwgen": "0.1.0"},
        "train": store("train"),
        "synthetic": store("synthetic"),
        "test": store("test"),
        "writers_shared": ["1001"],
        "network": {"parameters": 1234, "flops": 5678},
        "arms": {"real": arm(0.97), "real+synthetic": arm(0.98)},
        "differences": {"real+synthetic - real": {"mean": 0.01, "low": None, "high": None}},
        "purity": {"top1": {"mean": 0.9, "low": 0.8, "high": 1}, "per_class": {"一": 0.9}},
        "diversity": {"ratio": 0.8, "per_class": {"一": 0.7, "丁": 0.9}},
        "worst": [{"label": "一", "accuracy": 0.8, "count": 14, "read_as": {"丁": 2}}],
    }


class _Page(HTMLParser):
    """Fails if elements are not nested correctly, or if anything could run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "iframe", "object", "base"), f"<{tag}>"
        assert not [name for name, _ in attrs if name.startswith("on")], attrs
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass  # of SVG

    def handle_endtag(self, tag: str) -> None:
        assert tag in self.open[-1:], f"</{tag}> closes nothing"
        self.open.pop()


def check_page(file: Path) -> None:
    """Fails if a page is incomplete or could run anything."""
    text = file.read_text(encoding="utf-8")
    assert "\0" not in text
    parser = _Page()
    parser.feed(text)
    parser.close()
    assert not parser.open, f"open at the end: {parser.open}"
