"""Packages that hwgen requires, and those of its extras, by the metadata of the installed hwgen."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from hwgen.errors import InputError

NEEDED_BY = {
    "demo": "--strokes kanjivg, hwgen demo",
    "docs": "make docs",
    "hub": "hwgen upload",
    "onnx": "hwgen export-model --onnx, --recogniser model.onnx",
    "parquet": "hwgen export --format parquet, hwgen prepare-images for parquet",
    "rapidocr": "hwgen evaluate --ocr-engine rapidocr",
    "scenes": "hwgen prepare-images, for CIFAR-10",
    "score": "the inception score of CIFAR-10 in benchmarks/paper",
    "tensorboard": "hwgen export-curves",
    "test": "make test, make lint",
    "test-formats": "the tests that read exports with other libraries",
}
"""Commands and options that need an extra, by its name in pyproject.toml."""

MODULES = {"fonttools": "fontTools", "import-linter": "importlinter", "pillow": "PIL"}
"""Modules of packages that are not imported by their own name."""

# Covers what pyproject.toml uses, `name[extra]>=version; python_version < '3.11'`, and the marker
# of an extra. The library packaging would parse every form, but is no dependency of hwgen.
_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)\s*(?:\[(?P<extras>[\w\s,.-]+)\])?\s*\(?(?:>=\s*(?P<oldest>[\w.]+))?\)?\s*"
    r"(?:;\s*python_version\s*<\s*['\"](?P<before>3\.\d+)['\"]\s*)?"
    r"(?:;\s*extra\s*==\s*['\"](?P<of>[\w.-]+)['\"]\s*)?"
)


class Requirement(NamedTuple):
    """One line "Requires-Dist" of a package's metadata.

    Attributes:
        name: of the required package.
        extras: of that package, which are required too.
        oldest: lowest version; "" for any.
        of: extra that requires it; "" for every installation.
        before: Python version from which on it is not required; "" for none.
    """

    name: str
    extras: tuple[str, ...]
    oldest: str
    of: str
    before: str = ""

    @property
    def needed_here(self) -> bool:
        """Whether this version of Python requires it."""
        return not self.before or sys.version_info < (3, int(self.before.removeprefix("3.")))


@dataclass(frozen=True)
class Extra:
    """An extra: optional packages for some commands.

    Attributes:
        needed_by: commands and options.
        packages: name -> lowest version, "" for any.
    """

    needed_by: str
    packages: Mapping[str, str]


@dataclass(frozen=True)
class Requirements:
    """What hwgen requires.

    Attributes:
        packages: name -> lowest version, "" for any.
        extras: by name.
    """

    packages: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, Extra] = field(default_factory=dict)


def installed_requirements() -> Requirements:
    """The requirements of the installed hwgen.

    Raises:
        InputError: hwgen is imported from a source tree that is not installed.
    """
    try:
        metadata = importlib.metadata.metadata("hwgen")
        lines = importlib.metadata.requires("hwgen")
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            "hwgen is not installed, so its requirements are not known",
            remedy="Install it with: pip install -e . (in the source tree)",
        ) from None
    return requirements_of(lines or (), metadata.get_all("Provides-Extra") or ())


def requirements_of(lines: Iterable[str], extras: Iterable[str]) -> Requirements:
    """Requirements by the lines "Requires-Dist" and the names of all extras."""
    parsed = [parse(line) for line in lines]

    def packages(extra: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for requirement in parsed:
            if requirement.of != extra or not requirement.needed_here:
                continue
            if requirement.name == "hwgen":  # an extra that consists of others
                for inner in requirement.extras:
                    found |= packages(inner)
            else:
                found[requirement.name] = requirement.oldest
        return found

    return Requirements(
        packages(""),
        {name: Extra(NEEDED_BY.get(name, ""), packages(name)) for name in sorted(extras)},
    )


def parse(line: str) -> Requirement:
    """One line "Requires-Dist", of the forms that pyproject.toml uses.

    Raises:
        InputError: it has another form.
    """
    match = _REQUIREMENT.fullmatch(line.strip())
    if match is None:
        raise InputError(f"the requirement {line!r} is not of the form name>=version")
    extras = tuple(text.strip() for text in (match["extras"] or "").split(",") if text.strip())
    of, before = match["of"] or "", match["before"] or ""
    return Requirement(match["name"], extras, match["oldest"] or "", of, before)


def install_extra(extra: str) -> str:
    """The command that installs the packages of an extra, wherever hwgen itself comes from.

    It names the packages, since pip looks for `hwgen[extra]` on an index, not in a clone.
    """
    try:
        return install_packages(installed_requirements().extras[extra].packages)
    except (InputError, KeyError):  # an installation of another version
        return f"pip install '.[{extra}]' (in the source tree)"


def require(modules: Iterable[str], extra: str, what: str) -> None:
    """Refuse to begin without packages of an extra.

    Args:
        modules: that will be imported.
        extra: that has them.
        what: needs them: "--onnx".

    Raises:
        InputError: one of them is not installed.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InputError(
                f"{what} needs {error.name}", remedy=f"Install it with: {install_extra(extra)}"
            ) from None


def install_packages(packages: Mapping[str, str]) -> str:
    """The command that installs packages, given with their lowest versions, "" for any."""
    names = [f"{name}>={oldest}" if oldest else name for name, oldest in packages.items()]
    return shlex.join(["pip", "install", *names])
