"""Tables of the stability experiment: counts over seeds with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean, stdev
from typing import Any

from benchmarks.paper.stability_settings import LABELS, SETTINGS
from hwgen.evaluation.metrics.intervals import Interval, t_interval, wilson_interval

Row = Mapping[str, Any]

PAIRS = (
    ("BN_G, Adam", "bn-g-adam-lsgan", "bn-g-adam-gan"),
    ("BN_G, RMSProp", "bn-g-rmsprop-lsgan", "bn-g-rmsprop-gan"),
    ("BN_GD, Adam", "bn-gd-adam-lsgan", "bn-gd-adam-gan"),
    ("BN_GD, RMSProp", "bn-gd-rmsprop-lsgan", "bn-gd-rmsprop-gan"),
    ("BN_GD, Adam, Eq. 8", "bn-gd-adam-lsgan-eq8", "bn-gd-adam-gan"),
    ("BN_GD, RMSProp, Eq. 8", "bn-gd-rmsprop-lsgan-eq8", "bn-gd-rmsprop-gan"),
    ("RMSProp minus Adam: BN_G, LSGAN", "bn-g-rmsprop-lsgan", "bn-g-adam-lsgan"),
    ("RMSProp minus Adam: BN_G, regular", "bn-g-rmsprop-gan", "bn-g-adam-gan"),
    ("RMSProp minus Adam: BN_GD, LSGAN", "bn-gd-rmsprop-lsgan", "bn-gd-adam-lsgan"),
    ("RMSProp minus Adam: BN_GD, regular", "bn-gd-rmsprop-gan", "bn-gd-adam-gan"),
    (
        "TensorFlow's RMSProp minus torch's",
        "bn-gd-rmsprop-lsgan-eq8",
        "bn-gd-torch-rmsprop-lsgan-eq8",
    ),
)
"""Comparisons: a title and two settings; the first six are LSGAN minus regular GAN."""


def unrest(row: Row) -> float:
    """Standard deviation of the distance over the second half of the snapshots."""
    distances = [snapshot["distance"] for snapshot in row["snapshots"]]
    late = distances[len(distances) // 2 :]
    return stdev(late) if len(late) > 1 else 0.0


def summary(rows: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """For each setting: seeds that collapsed (Wilson's interval), and means at the end."""
    found: dict[str, Any] = {}
    for name, own in rows.items():
        hits = sum(bool(row["collapsed"]) for row in own)
        found[name] = {
            "seeds": len(own),
            "collapsed": {"hits": hits, **asdict(wilson_interval(hits, len(own)))},
        }
        ends = [row["snapshots"][-1] for row in own if row["snapshots"]]
        for measure in ("variety", "distance", "saturated") if ends else ():
            found[name][measure] = asdict(t_interval([end[measure] for end in ends], lowest=0))
        if ends:
            found[name]["unrest"] = fmean(unrest(row) for row in own if row["snapshots"])
    return found


def differences(rows: Mapping[str, Sequence[Row]]) -> list[dict[str, Any]]:
    """Distance at the end, first minus second, paired by seed; below 0: nearer to real."""
    found = []
    for title, first, second in PAIRS:
        ends = [
            {row["seed"]: row["snapshots"][-1]["distance"] for row in rows[name] if whole(row)}
            for name in (first, second)
            if name in rows
        ]
        seeds = sorted(ends[0].keys() & ends[1].keys()) if len(ends) == 2 else []
        if seeds:
            interval = t_interval([ends[0][seed] - ends[1][seed] for seed in seeds])
            found.append({"title": title, "seeds": len(seeds), **asdict(interval)})
    return found


def whole(row: Row) -> bool:
    """Whether a run reached its end."""
    return bool(row["snapshots"]) and not row["diverged"]


def tables(rows: Mapping[str, Sequence[Row]]) -> str:
    """Markdown: a line per setting, then a line per comparison."""
    lines = [
        "| batch norm | optimiser | loss | collapsed | variety | distance | saturated | unrest |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, entry in summary(rows).items():
        setting, hits = SETTINGS[name], entry["collapsed"]
        cells = [LABELS[setting.left_out], setting.optimizer, setting.loss]
        cells.append(
            f"{hits['hits']} of {entry['seeds']} ({hits['low']:.2f} to {hits['high']:.2f})"
        )
        if "distance" in entry:
            cells += [_mean(entry["variety"]), _mean(entry["distance"])]
            cells += [f"{entry['saturated']['mean']:.1%}", f"{entry['unrest']:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| distance, first minus second | seeds | mean | 95 % |", "|---|---:|---:|---|"]
    for entry in differences(rows):
        limits = "one seed has none"
        if entry["low"] is not None:
            limits = f"{entry['low']:+.3f} to {entry['high']:+.3f}"
        lines.append(f"| {entry['title']} | {entry['seeds']} | {entry['mean']:+.3f} | {limits} |")
    return "\n".join(lines) + "\n"


def _mean(value: Mapping[str, float | None]) -> str:
    interval = Interval(**value)  # type: ignore[arg-type]
    if interval.low is None or interval.high is None:
        return f"{interval.mean:.3f}"
    return f"{interval.mean:.3f} ({interval.low:.2f} to {interval.high:.2f})"
