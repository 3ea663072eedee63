"""`hwgen presets`: recipe and size of the networks of a preset."""

from __future__ import annotations

from typing import Annotated

import typer

from hwgen.generators.gan.presets import ABOUT, PRESETS
from hwgen_cli.completion import one_of
from hwgen_cli.options import Json
from hwgen_cli.output import print_json

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="PRESET",
        help="Preset to show; all of them are listed if none is given.",
        autocompletion=one_of(PRESETS),
        show_default=False,
    ),
]
NumClasses = Annotated[
    int,
    typer.Option(
        "--num-classes",
        min=1,
        metavar="N",
        help="Number of classes for which parameters are counted.",
    ),
]


def presets(name: Name = None, num_classes: NumClasses = 3740, json: Json = False) -> None:
    """List the presets of GANs, or show one: its recipe and its number of parameters.

    Example: hwgen presets glyph-32 --num-classes 100
    """
    from rich.console import Console
    from rich.table import Table

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
    from rich.console import Console
    from rich.table import Table

    from hwgen.generators.gan.estimate import count_parameters
    from hwgen.generators.gan.presets import preset, recipe_to_json
    from hwgen.schema import flatten

    recipe = preset(name)
    g, d = count_parameters(recipe, classes)
    fields = recipe_to_json(recipe)
    if as_json:
        figures = {"classes": classes, "parameters_g": g, "parameters_d": d}
        print_json({"kind": "preset", **figures, "recipe": fields})
        return
    table = Table.grid(padding=(0, 2))
    table.add_row("preset", recipe.preset)
    table.add_row("classes", f"{classes:,}")
    table.add_row("parameters of G", f"{g:,}")
    table.add_row("parameters of D", f"{d:,}")
    for field, value in flatten(fields).items():
        if field != "preset":
            table.add_row(field, str(value))
    Console(markup=False).print(table, highlight=False)
