import json
import re
from pathlib import Path

from benchmarks.throughput.table import IN_DOCS, table


def test_a_table_has_one_line_per_row_in_a_fixed_order(tmp_path: Path) -> None:
    def row(job: str) -> dict[str, object]:
        ways = {"plain": {"rate": 12.345}, "hwgen": {"rate": 12345.6}}
        return {
            "job": job,
            "unit": "records",
            "baseline": "plain",
            "fast": "hwgen",
            "ways": ways,
            "ratio": 1000.04,
            "limits": {"arithmetic_floor_s": 0.04},
        }

    (tmp_path / "gan_step.json").write_text(json.dumps([row("training step, x")]))
    (tmp_path / "prepare.json").write_text(json.dumps([row("small"), row("large")]))
    peak = {"command": "hwgen train", "peak_mib": 1234, "seconds": 1.0}
    (tmp_path / "memory.json").write_text(json.dumps({"rows": [peak], "hardware": {}}))
    sizes = {"synthetic": 187_000, "real": 4000, "real_test": 1000}
    full = {"command": "hwgen evaluate", "peak_mib": 2000, "seconds": 61.4, "images": sizes}
    (tmp_path / "evaluate.json").write_text(json.dumps({"rows": [full]}))
    lines = table(tmp_path).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:5]] == [
        "small",
        "large",
        "training step, x",
    ]
    rates = "plain: 12.3 records/s | hwgen: 12,300 records/s | 1,000"
    assert lines[2] == f"| small | {rates} | not measured |"
    assert lines[4] == f"| training step, x | {rates} | arithmetic: 25 records/s |"
    assert lines[-2] == "| hwgen train | 1,234 MiB |"
    took = "187,000 synthetic and 5,000 real samples: 61 s"
    assert lines[-1] == f"| hwgen evaluate, {took} | 2,000 MiB |"
    chosen = table(tmp_path, ["sm.*", "training.*"]).splitlines()
    assert chosen == [line for line in lines if "large" not in line]


def test_an_empty_folder_has_an_empty_table(tmp_path: Path) -> None:
    assert len(table(tmp_path).splitlines()) == 2


def test_docs_performance_shows_the_committed_results(root: Path) -> None:
    page = (root / "docs/performance.md").read_text(encoding="utf-8")
    shown = page.split("<!-- throughput: begin -->\n")[1].split("<!-- throughput: end -->")[0]
    folder = re.search(r"\]\(\.\./(benchmarks/results/throughput-[^)/]+)", page)
    assert folder is not None
    assert shown == table(root / folder[1], IN_DOCS)
