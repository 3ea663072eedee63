"""Tables of the ring experiment: counts over seeds with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from benchmarks.paper.ring_training import MODES
from hwgen.evaluation.metrics.intervals import Interval, t_interval, wilson_interval

Row = Mapping[str, Any]
MEANS = ("modes", "modes_near", "share", "share_near", "kl", "spread")


def summary(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each snapshot: seeds that cover all modes (Wilson's interval), and means of scores.

    `all_modes` counts samples within 3 standard deviations, `all_near` those within 0.2.
    """
    found = []
    for at in zip(*(row["snapshots"] for row in rows), strict=True):
        entry: dict[str, Any] = {"step": at[0]["step"], "seeds": len(at)}
        for name, score in (("all_modes", "modes"), ("all_near", "modes_near")):
            hits = sum(snapshot[score] == MODES for snapshot in at)
            entry[name] = {"hits": hits, **asdict(wilson_interval(hits, len(at)))}
        for score in MEANS:
            entry[score] = asdict(t_interval([snapshot[score] for snapshot in at]))
        found.append(entry)
    return found


def tables(summaries: Mapping[str, Sequence[Row]]) -> str:
    """Markdown: the last snapshot of each setting, then all snapshots."""
    lines = [
        "| setting | all 8 modes within 3 sd | all 8 within 0.2 | modes within 3 sd"
        " | modes within 0.2 | samples within 3 sd | samples within 0.2 | KL of modes, nats"
        " | width over true |",
        "|---" * 9 + "|",
    ]
    for name, entries in summaries.items():
        last = entries[-1]
        cells = [_count(last, "all_modes"), _count(last, "all_near")]
        cells += [f"{last[score]['mean']:.1f}" for score in ("modes", "modes_near")]
        cells += [_mean(last[score]) for score in ("share", "share_near", "kl")]
        cells += [f"{last['spread']['mean']:.2f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    steps = [entry["step"] for entry in next(iter(summaries.values()))]
    lines += [
        "",
        "Seeds with all 8 modes within 3 sd / within 0.2, and the mean of the modes within 0.2:",
        "",
        f"| setting | {' | '.join(f'{step:,}' for step in steps)} |",
        "|---" * (len(steps) + 1) + "|",
    ]
    for name, entries in summaries.items():
        cells = [
            f"{e['all_modes']['hits']} / {e['all_near']['hits']}, {e['modes_near']['mean']:.1f}"
            for e in entries
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def typical(rows: Sequence[Row]) -> Row:
    """The row whose mean divergence over its snapshots after the first is the (lower) median."""
    ordered = sorted(rows, key=lambda row: fmean(s["kl"] for s in row["snapshots"][1:]))
    return ordered[(len(ordered) - 1) // 2]


def _count(entry: Row, name: str) -> str:
    count = entry[name]
    limits = f"{count['low']:.2f} to {count['high']:.2f}"
    return f"{count['hits']} of {entry['seeds']} ({limits})"


def _mean(value: Mapping[str, float | None]) -> str:
    interval = Interval(**value)  # type: ignore[arg-type]
    if interval.low is None or interval.high is None:
        return f"{interval.mean:.3f}"
    return f"{interval.mean:.3f} ± {interval.high - interval.mean:.3f}"
