import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HWGEN = Path(sys.executable).parent / "hwgen"
BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None or not HWGEN.exists(), reason="needs bash and an installed hwgen")
def test_bash_completes_after_the_installation(tmp_path: Path) -> None:
    env = {**os.environ, "HOME": str(tmp_path), "PATH": f"{HWGEN.parent}:{os.environ['PATH']}"}

    def bash(script: str) -> str:
        done = subprocess.run(
            [str(BASH), "--norc", "-c", script],
            env=env,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    # `true`, so that bash does not become hwgen, which looks for the shell among its ancestors.
    bash("hwgen --install-completion; true")
    assert "hwgen" in (tmp_path / ".bashrc").read_text("utf-8")

    # As bash does at a press of the tabulator.
    ask = """
source ~/.bashrc
complete -p hwgen | grep -o -- '-F [a-z_]*' | cut -d' ' -f2 > ~/function
COMP_WORDS=({words}); COMP_CWORD={place}
$(cat ~/function) hwgen
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    assert bash(ask.format(words="hwgen tra", place=1)).split() == ["train"]
    assert "--preset" in bash(ask.format(words="hwgen train --pre", place=2)).split()
