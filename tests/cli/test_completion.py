import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HWGEN = Path(sys.executable).parent / "hwgen"
BASH = shutil.which("bash")

# What is begun, and all that is offered.
VALUES = {
    "hwgen train --preset glyph-": ["glyph-32", "glyph-64"],
    "hwgen train --preset defo": ["deformation-32"],
    "hwgen train --loss lsgan-eq9": ["lsgan-eq9"],
    "hwgen presets paper-h": ["paper-hwdb"],
    "hwgen export --format p": ["paddle", "parquet"],
}


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
    for words, offered in VALUES.items():
        place = len(words.split()) - 1
        assert bash(ask.format(words=words, place=place)).split() == offered


# What is written where, and how the shell asks when the tabulator is pressed.
OTHERS = {
    "zsh": (".zfunc/_hwgen", {"_TYPER_COMPLETE_ARGS": "hwgen tra"}),
    "fish": (
        ".config/fish/completions/hwgen.fish",
        {"_TYPER_COMPLETE_ARGS": "hwgen tra", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    ),
}


@pytest.mark.skipif(not HWGEN.exists(), reason="needs an installed hwgen")
@pytest.mark.parametrize("shell", OTHERS)
def test_zsh_and_fish_complete(tmp_path: Path, shell: str) -> None:
    place, asked = OTHERS[shell]

    def run(*words: str, **more: str) -> str:
        done = subprocess.run(
            words,
            env={**os.environ, "HOME": str(tmp_path), **more},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    # Typer takes the shell's name where it is not to look for it among its ancestors.
    run(str(HWGEN), "--install-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    script = tmp_path / place
    assert f"_HWGEN_COMPLETE=complete_{shell}" in script.read_text("utf-8")
    assert "train" in run(str(HWGEN), _HWGEN_COMPLETE=f"complete_{shell}", **asked)
    if (program := shutil.which(shell)) is not None:
        run(program, "-n" if shell == "zsh" else "--no-execute", str(script))
