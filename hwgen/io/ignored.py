"""Names that searches of folders and archives leave out: hidden files and those of systems."""

from __future__ import annotations

from collections.abc import Sequence

_SYSTEM = frozenset(
    {
        "$recycle.bin",
        "#recycle",
        "#snapshot",
        ".ds_store",
        ".ipynb_checkpoints",
        ".thumbnails",
        "@eadir",
        "@recycle",
        "@tmp",
        "__macosx",
        "__pycache__",
        "desktop.ini",
        "ehthumbs.db",
        "lost+found",
        "system volume information",
        "thumbs.db",
    }
)
"""What systems, file managers and network drives write beside data, such as thumbnails; lower
case."""


def is_ignored(parts: Sequence[str]) -> bool:
    """Whether the parts of a path are those of a dot file, or of what a system writes."""
    names = [part for part in parts if part not in (".", "..")]
    return any(name.startswith(".") or name.lower() in _SYSTEM for name in names)


def is_hidden(parts: Sequence[str]) -> bool:
    """Whether the parts of a path are those of a dot file that may be data."""
    by_system = any(part.lower() in _SYSTEM for part in parts) or parts[-1].startswith("._")
    return is_ignored(parts) and not by_system
