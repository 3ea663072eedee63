import json
import re
from pathlib import Path

from benchmarks.throughput.table import IN_DOCS, table


def test_a_table_has_a_line_a_row_in_the_order_of_the_job(tmp_path: Path) -> None:
    def row(job: str) -> dict[str, object]:
        ways = {"plain": {"rate": 12.345}, "hwgen": {"rate": 12345.6}}
        return {
            "job": job,
            "unit": "records",
            "baseline": "plain",
            "fast": "hwgen",
            "ways": ways,
            "ratio": 1000.04,
        }

    (tmp_path / "gan_step.json").write_text(json.dumps([row("step")]))
    (tmp_path / "prepare.json").write_text(json.dumps([row("small"), row("large")]))
    peak = {"command": "hwgen train", "peak_mib": 1234, "seconds": 1.0}
    (tmp_path / "memory.json").write_text(json.dumps({"rows": [peak], "hardware": {}}))
    lines = table(tmp_path).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:5]] == ["small", "large", "step"]
    assert lines[2] == "| small | plain: 12.3 records/s | hwgen: 12,300 records/s | 1,000 |"
    assert lines[-1] == "| hwgen train | 1,234 MiB |"
    chosen = table(tmp_path, ["sm.*", "step"]).splitlines()
    assert chosen == [line for line in lines if "large" not in line]


def test_an_empty_folder_has_an_empty_table(tmp_path: Path) -> None:
    assert len(table(tmp_path).splitlines()) == 2


def test_the_page_shows_what_was_measured(root: Path) -> None:
    page = (root / "docs/performance.md").read_text(encoding="utf-8")
    shown = page.split("<!-- throughput: begin -->\n")[1].split("<!-- throughput: end -->")[0]
    folder = re.search(r"\]\(\.\./(benchmarks/results/throughput-[^)/]+)", page)
    assert folder is not None
    assert shown == table(root / folder[1], IN_DOCS)
