"""Collects the pages of the documentation site: `python -m website.stage DIR`.

The site has the layout of the repository, so that links between pages work in both. Other files
are part of it if a page links to them. A notebook becomes a page of the same name.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path

import hwgen
from website import notebooks

ROOT = Path(__file__).resolve().parents[1]

PAGES = ("*.md", "docs/*.md", "docs/*.ipynb", "datasets/*.md", "benchmarks/**/*.md")

API = "docs/api.md"
"""A page of the site alone, made from the docstrings."""


def stage(out: Path) -> None:
    """Fill an empty or missing folder with the pages, the files they link to, and the Python API.

    Raises:
        ValueError: a page links to something that is no file of the repository.
    """
    pages = [path.relative_to(ROOT).as_posix() for glob in PAGES for path in ROOT.glob(glob)]
    for name in sorted({*pages, *(name for page in pages for name in linked_files(page))}):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        if name in pages:
            text = re.sub(r"(\]\([^)]*)\.ipynb\)", r"\1.md)", markdown(name))
            (out / name).with_suffix(".md").write_text(text, encoding="utf-8")
        else:
            shutil.copyfile(ROOT / name, out / name)
    (out / API).write_text(api_page(), encoding="utf-8")


def markdown(page: str) -> str:
    """The text of a page."""
    if page.endswith(".ipynb"):
        return notebooks.to_markdown(notebooks.load(ROOT / page))
    return (ROOT / page).read_text(encoding="utf-8")


def linked_files(page: str) -> list[str]:
    """Paths of the files in the repository that a page links to, relative to its root.

    Raises:
        ValueError: one of them is no file of the repository.
    """
    folder = posixpath.dirname(page)
    targets = re.findall(r"\]\((?![a-z]+:)([^)#]+)", markdown(page))
    names = [posixpath.normpath(posixpath.join(folder, target)) for target in targets]
    for name, target in zip(names, targets, strict=True):
        if name.startswith("..") or not (ROOT / name).is_file():
            raise ValueError(f"{page}: the link to {target} leads to no file of the repository")
    return names


def api_page() -> str:
    """Markdown that mkdocstrings fills with the docstrings of the public names."""
    public = set(vars(hwgen)["__all__"]) - {"__version__"}  # the stub file has no __all__
    names = sorted(public, key=str.lower)
    entries = "\n".join(f"::: hwgen.{name}" for name in names)
    head = "# Python API\n\nThe names in `hwgen`; examples are in [Python](python.md)."
    return f"{head}\n\n{entries}\n"


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
