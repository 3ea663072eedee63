import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Which rooms of the house a room may import, besides itself. A row names rows above it only, so
# that data flow one way. A name stands for the module or for the whole package.
MAY_IMPORT: dict[str, set[str]] = {
    "hwgen": set(),
    "hwgen.errors": set(),
    "hwgen.record": set(),
    "hwgen.files": set(),
    "hwgen.system": set(),
    # What LMDB would believe, checked before it is asked.
    "hwgen.lmdb_pages": set(),
    "hwgen.places": set(),
    "hwgen.requirements": set(),
    "hwgen.charset": {"hwgen.errors", "hwgen.files", "hwgen.places"},
    "hwgen.presets": {"hwgen.errors"},
    "hwgen.documents": {"hwgen.errors", "hwgen.files", "hwgen.system"},
    "hwgen.locks": {"hwgen.errors"},
    "hwgen.framing": {"hwgen.errors", "hwgen.record"},
    "hwgen.ink": {"hwgen.errors", "hwgen.framing", "hwgen.record"},
    "hwgen.framing_pool": {"hwgen.errors", "hwgen.record"},
    "hwgen.metrics": {"hwgen.errors", "hwgen.record"},
    # Raw files: labels are text here, and no store is known.
    "hwgen.sources": {
        "hwgen.documents",
        "hwgen.errors",
        "hwgen.files",
        "hwgen.ink",
        "hwgen.lmdb_pages",
        "hwgen.places",
        "hwgen.record",
        "hwgen.system",
    },
    # The one place where text becomes a class id.
    "hwgen.store": {
        "hwgen",
        "hwgen.charset",
        "hwgen.documents",
        "hwgen.errors",
        "hwgen.files",
        "hwgen.lmdb_pages",
        "hwgen.locks",
        "hwgen.places",
        "hwgen.presets",  # lists the differences of two recipes
        "hwgen.record",
        "hwgen.system",
    },
    "hwgen.grids": {"hwgen.errors", "hwgen.files", "hwgen.record", "hwgen.store"},
    "hwgen.prepare": {
        "hwgen.charset",
        "hwgen.errors",
        "hwgen.framing",
        "hwgen.framing_pool",
        "hwgen.ink",
        "hwgen.record",
        "hwgen.sources",
        "hwgen.store",
    },
    "hwgen.runs": {
        "hwgen",
        "hwgen.charset",
        "hwgen.errors",
        "hwgen.files",
        "hwgen.locks",
        "hwgen.places",
        "hwgen.presets",
        "hwgen.system",
    },
    "hwgen.exports": {
        "hwgen.charset",
        "hwgen.documents",
        "hwgen.errors",
        "hwgen",
        "hwgen.files",
        "hwgen.locks",
        "hwgen.places",
        "hwgen.presets",  # lists the differences of two recipes
        "hwgen.record",
        "hwgen.sources.exported",  # finds what it leaves
        "hwgen.sources.gnt",  # writes the format that it reads
        "hwgen.sources.writers",
        "hwgen.store",
    },
    "hwgen.devices": {"hwgen.errors"},
    # Looks at the machine, and tries what others would use.
    "hwgen.doctor": {"hwgen", "hwgen.devices", "hwgen.requirements"},
    "hwgen.distributed": {"hwgen.devices", "hwgen.errors"},
    "hwgen.checkpoints": {"hwgen.errors", "hwgen.files", "hwgen.places"},
    # Weights with all that is known of them.
    "hwgen.models": {
        "hwgen.charset",
        "hwgen.checkpoints",
        "hwgen.errors",
        "hwgen.files",
        "hwgen.places",
        "hwgen.runs",
    },
    # Arithmetic that generators and recognisers share.
    "hwgen.warps": set(),
    "hwgen.winograd": set(),
    # The one place where grey values become floats.
    "hwgen.batches": {"hwgen.errors", "hwgen.presets", "hwgen.record", "hwgen.store"},
    # Knows no GAN.
    "hwgen.recogniser": {
        "hwgen",
        "hwgen.batches",
        "hwgen.charset",
        "hwgen.checkpoints",
        "hwgen.devices",
        "hwgen.errors",
        "hwgen.files",
        "hwgen.locks",
        "hwgen.metrics",
        "hwgen.presets",
        "hwgen.record",
        "hwgen.runs",
        "hwgen.store",
        "hwgen.warps",
        "hwgen.winograd",
    },
    # Knows no recogniser: what judges its samples is handed to it.
    "hwgen.gan": {
        "hwgen.batches",
        "hwgen.charset",
        "hwgen.checkpoints",
        "hwgen.devices",
        "hwgen.distributed",
        "hwgen.documents",
        "hwgen.errors",
        "hwgen.files",
        "hwgen.grids",
        "hwgen.metrics",
        "hwgen.models",
        "hwgen.presets",
        "hwgen.record",
        "hwgen.runs",
        "hwgen.store",
        "hwgen.warps",
        "hwgen.winograd",
    },
    # The other kind of generator.
    "hwgen.deformation": {
        "hwgen.batches",
        "hwgen.checkpoints",
        "hwgen.devices",
        "hwgen.errors",
        "hwgen.models",
        "hwgen.presets",
        "hwgen.record",
        "hwgen.runs",
        "hwgen.store",
        "hwgen.warps",
    },
    # Judges a set of characters, wherever it came from: knows no GAN.
    "hwgen.evaluation": {
        "hwgen",
        "hwgen.batches",
        "hwgen.charset",
        "hwgen.checkpoints",
        "hwgen.devices",
        "hwgen.errors",
        "hwgen.files",
        "hwgen.grids",
        "hwgen.locks",
        "hwgen.metrics",
        "hwgen.presets",
        "hwgen.recogniser",
        "hwgen.record",
        "hwgen.runs",
        "hwgen.store",
    },
    # Where generators and recognisers meet.
    "hwgen.lift": {
        "hwgen",
        "hwgen.checkpoints",
        "hwgen.deformation",
        "hwgen.devices",
        "hwgen.documents",
        "hwgen.errors",
        "hwgen.evaluation.no_copies",
        "hwgen.files",
        "hwgen.gan",
        "hwgen.locks",
        "hwgen.metrics",
        "hwgen.presets",
        "hwgen.recogniser",
        "hwgen.runs",
        "hwgen.store",
    },
    "hwgen.inspect": {
        "hwgen.errors",
        "hwgen.framing",
        "hwgen.gan.plan",  # counts parameters
        "hwgen.grids",
        "hwgen.presets",
        "hwgen.record",
        "hwgen.runs",
        "hwgen.sources",
        "hwgen.store",
    },
    "hwgen.report": {
        "hwgen",
        "hwgen.charset",
        "hwgen.deformation.recipe",
        "hwgen.documents",
        "hwgen.errors",
        "hwgen.files",
        "hwgen.gan.plan",  # counts parameters
        "hwgen.places",
        "hwgen.presets",
        "hwgen.record",
        "hwgen.runs",
        "hwgen.store",
        "hwgen.system",
    },
    # Trained generators for others; no store is opened.
    "hwgen.exports.runs": {
        "hwgen.batches",
        "hwgen.charset",
        "hwgen.checkpoints",
        "hwgen.deformation",
        "hwgen.errors",
        "hwgen.exports.place",
        "hwgen.files",
        "hwgen.gan",
        "hwgen.grids",
        "hwgen.models",
        "hwgen.presets",
        "hwgen.record",
        "hwgen.report.evaluations",
        "hwgen.report.lifts",
        "hwgen.runs",
        "hwgen.store.origin",
    },
    # People judge two sets, wherever they came from.
    "hwgen.study": {
        "hwgen.batches",
        "hwgen.charset",
        "hwgen.devices",
        "hwgen.documents",
        "hwgen.errors",
        "hwgen.files",
        "hwgen.gan",
        "hwgen.metrics",
        "hwgen.models",
        "hwgen.places",
        "hwgen.presets",
        "hwgen.record",
        "hwgen.report.markup",
        "hwgen.report.pictures",
        "hwgen.runs",
        "hwgen.store",
        "hwgen.system",
    },
    # Commands share these and do not import each other; __main__ gathers them.
    "hwgen_cli.completion": set(),
    "hwgen_cli.interrupt": set(),
    "hwgen_cli.memory": set(),
    "hwgen_cli.progress": set(),
    "hwgen_cli.preparing": {"hwgen", "hwgen.*", "hwgen_cli.interrupt", "hwgen_cli.progress"},
    # The half of `hwgen benchmark` that runs a protocol.
    "hwgen_cli.protocol": {"hwgen", "hwgen.*", "hwgen_cli.interrupt", "hwgen_cli.progress"},
    "hwgen_cli": {
        "hwgen",
        "hwgen.*",
        "hwgen_cli.completion",
        "hwgen_cli.interrupt",
        "hwgen_cli.preparing",
        "hwgen_cli.progress",
        "hwgen_cli.protocol",
    },
    "benchmarks": {"hwgen", "hwgen.*"},
    # Runs commands as a user types them, and kills them.
    "benchmarks.kills": {"hwgen", "hwgen.*", "hwgen_cli.__main__"},
    # The papers' own experiments.
    "benchmarks.paper": {"hwgen", "hwgen.*"},
    # One question in many jobs, that share their stop-watch.
    "benchmarks.throughput": {"hwgen", "hwgen.*"},
}

# Which rooms hold a package from elsewhere; all others do without it.
HELD_BY: dict[str, set[str]] = {
    "torch": {
        "benchmarks",
        "hwgen.batches",
        "hwgen.checkpoints",
        "hwgen.deformation",
        "hwgen.devices",
        "hwgen.distributed",
        "hwgen.doctor",
        "hwgen.evaluation",
        "hwgen.exports.runs",
        "hwgen.gan",
        "hwgen.lift",
        "hwgen.recogniser",
        "hwgen.warps",
        "hwgen.winograd",
        "hwgen_cli.reference",  # builds networks to count their parameters
    },
    "safetensors": {"hwgen.checkpoints"},
    "lmdb": {
        "benchmarks.fuzz",
        "benchmarks.kills",
        "benchmarks.throughput",
        "hwgen.exports",
        "hwgen.sources.images",
        "hwgen.store",
    },
    "matplotlib": {"benchmarks.paper", "hwgen.report"},
    "onnx": {"hwgen.exports.runs"},
    "pyarrow": {"benchmarks.fuzz", "hwgen.exports", "hwgen.sources.images"},
    "rich": {"hwgen_cli"},
    "torch_fidelity": {"benchmarks.paper"},
    "typer": {"hwgen_cli"},
}

# Modules that gather the others of their room.
GATHERS = {"hwgen_cli.__main__", "hwgen_cli.reference"}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): path
    for folder in ("hwgen", "hwgen_cli", "benchmarks")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


@functools.cache
def parsed(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported anywhere in a file, also within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in SOURCES else str(node.module)


def within(module: str, room: str) -> bool:
    return module == room or (room != "hwgen" and module.startswith(f"{room}."))


def room_of(module: str) -> str:
    return max((room for room in MAY_IMPORT if within(module, room)), key=len)


def allowed(module: str, imported: str) -> bool:
    room = room_of(module)
    own = room if room not in ("hwgen_cli", "benchmarks") or module in GATHERS else module
    return (
        within(imported, own)
        or any(within(imported, other) for other in MAY_IMPORT[room])
        or ("hwgen.*" in MAY_IMPORT[room] and imported.startswith("hwgen."))
    )


def test_every_module_has_a_row() -> None:
    homeless = [m for m in SOURCES if not any(within(m, room) for room in MAY_IMPORT)]
    assert not homeless


def test_every_row_has_a_module() -> None:
    assert not [room for room in MAY_IMPORT if not any(within(m, room) for m in SOURCES)]


def test_a_row_names_rows_above_it_only() -> None:
    above: set[str] = set()
    for room, others in MAY_IMPORT.items():
        for other in others - {"hwgen.*"}:
            assert any(within(other, row) for row in above), f"{room} names {other}"
        above.add(room)


@pytest.mark.parametrize("module", SOURCES)
def test_imports_go_the_allowed_way(module: str) -> None:
    own = [name for name in imports(parsed(module)) if name.split(".")[0] in {"hwgen", "hwgen_cli"}]
    assert not [name for name in own if not allowed(module, name)]


@pytest.mark.parametrize("package", HELD_BY)
def test_a_foreign_package_stays_in_its_rooms(package: str) -> None:
    users = {
        module
        for module in SOURCES
        if any(name.split(".")[0] == package for name in imports(parsed(module)))
    }
    assert users, f"nothing imports {package}"
    strays = {m for m in users if not any(within(m, room) for room in HELD_BY[package])}
    assert not strays


def test_help_needs_nothing_heavy() -> None:
    code = """
import sys, hwgen
assert not {"numpy", "torch"} & set(sys.modules)
import hwgen_cli.__main__
print(*sorted({"lmdb", "matplotlib", "safetensors", "torch"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("module", [m for m in SOURCES if not m.startswith("benchmarks")])
def test_a_module_says_what_goes_in_and_what_comes_out(module: str) -> None:
    doc = ast.get_docstring(parsed(module)) or ""
    if SOURCES[module].name == "__init__.py":
        assert len(doc.splitlines()) == 1
    else:
        assert doc.startswith("In: ")
        assert "Out: " in doc


@pytest.mark.parametrize("module", [m for m in SOURCES if m.split(".")[0] == "hwgen"])
def test_the_library_never_prints_nor_exits(module: str) -> None:
    calls = [ast.unparse(n.func) for n in ast.walk(parsed(module)) if isinstance(n, ast.Call)]
    raised = [
        ast.unparse(n.exc) for n in ast.walk(parsed(module)) if isinstance(n, ast.Raise) and n.exc
    ]
    assert not {"print", "input", "exit", "quit", "sys.exit", "os._exit"} & set(calls)
    assert not [text for text in raised if text.startswith(("SystemExit", "KeyboardInterrupt"))]
