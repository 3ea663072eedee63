import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hwgen
from website import stage

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")


def test_the_site_is_built_without_warnings_and_network(tmp_path: Path) -> None:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="the extra docs is not installed")
    stage.stage(tmp_path / "pages")
    config = f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: pages\nsite_dir: site\n"
    (tmp_path / "mkdocs.yml").write_text(config, encoding="utf-8")

    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    environment = {**os.environ, **NO_NETWORK, "NO_MKDOCS_2_WARNING": "1"}
    environment["PYTHONPATH"] = str(ROOT)
    built = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )

    assert built.returncode == 0, built.stdout + built.stderr
    site = tmp_path / "site"
    api = (site / "docs" / "api.html").read_text(encoding="utf-8")
    assert set(re.findall(r'id="hwgen\.(\w+)"', api)) == set(hwgen.__all__) - {"__version__"}
    assert "docs/refined.png" in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "docs" / "reference.html").is_file()
    assert (site / "benchmarks" / "results").is_dir()
    outside = re.findall(r'(?:src|href)="(https?://[^"]+\.(?:js|css|woff2?))"', api)
    assert outside == []
