"""`hwgen presets`: recipe and size of the networks of a preset."""

from __future__ import annotations

from typing import Annotated

import typer

from hwgen.charset import MAX_CLASSES
from hwgen.generators.base import all_kinds
from hwgen_cli.completion import one_of
from hwgen_cli.options import Json
from hwgen_cli.output import print_json

ABOUT = {name: purpose for kind in all_kinds() for name, purpose in kind.about.items()}
"""What each preset is for."""

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="PRESET",
        help="Preset to show; all of them are listed if none is given.",
        autocompletion=one_of(ABOUT),
        show_default=False,
    ),
]
NumClasses = Annotated[
    int,
    typer.Option(
        "--num-classes",
        min=1,
        max=MAX_CLASSES,
        metavar="N",
        help="Number of classes for which parameters are counted.",
    ),
]


def presets(name: Name = None, num_classes: NumClasses = 3740, json: Json = False) -> None:
    """List the presets of generators, or show one: its recipe and its number of parameters.

    Example: hwgen presets glyph-32 --num-classes 100
    """
    from rich.table import Table

    from hwgen_cli.terminal import Console

    if name is not None:
        _show(name, num_classes, as_json=json)
    elif json:
        print_json(ABOUT)
    else:
        table = Table("preset", "purpose")
        for preset, purpose in ABOUT.items():
            table.add_row(preset, purpose)
        Console(markup=False).print(table)


def _show(name: str, classes: int, *, as_json: bool) -> None:
    from rich.table import Table

    from hwgen.generators.base import kind_of_preset
    from hwgen.schema import flatten
    from hwgen_cli.terminal import Console

    kind = kind_of_preset(name)
    recipe = kind.presets[name]
    parameters = kind.parameters(recipe, classes)
    fields = kind.recipe_to_json(recipe)
    if as_json:
        counts = {f"parameters_{network.lower()}": n for network, n in parameters.items()}
        print_json({"kind": "preset", "classes": classes, **counts, "recipe": fields})
        return
    table = Table.grid(padding=(0, 2))
    table.add_row("preset", name)
    table.add_row("classes", f"{classes:,}")
    for network, number in parameters.items():
        table.add_row(f"parameters of {network}", f"{number:,}")
    for field, value in flatten(fields).items():
        if field != "preset":
            table.add_row(field, str(value))
    Console(markup=False).print(table, highlight=False)
