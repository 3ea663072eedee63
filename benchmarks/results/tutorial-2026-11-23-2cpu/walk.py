"""Writes a shell script that saves the files of docs/tutorial.md and runs its commands in order.

python walk.py ../../../docs/tutorial.md > walk.sh
"""

import re
import shlex
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def script(page: str) -> str:
    """The shell blocks line by line, each printed and timed; the other blocks as files."""
    lines = ["set -eo pipefail"]
    for block in BLOCK.finditer(page):
        language, body = block.groups()
        if language == "sh":
            for line in filter(None, map(str.strip, body.replace("\\\n", " ").splitlines())):
                lines += [f"printf '\\n$ %s\\n' {shlex.quote(line)}", "began=$(date +%s)", line]
                lines += ['echo "[$(( $(date +%s) - began )) s]"']
        elif language in ("python", "yaml"):
            name = re.findall(r"Save as\s+`([^`]+)`", page[: block.start()])[-1]
            lines += [f'mkdir -p "$(dirname {name})"', f"cat > {name} <<'END_OF_FILE'"]
            lines += [f"{body}END_OF_FILE", f"echo '(saved {name})'"]
    return "\n".join(lines)


if __name__ == "__main__":
    print(script(Path(sys.argv[1]).read_text("utf-8")))
