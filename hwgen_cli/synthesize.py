"""In: the options of `hwgen synthesize`. Out: a synthetic store, files and a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def synthesize(
    run: Annotated[Path, typer.Argument(help="A run directory of hwgen train.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The new store.")],
    per_class: Annotated[int, typer.Option(min=1, help="Samples a class.")] = 50,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="N|CHARACTERS|FILE", help="A number (the first so many), characters, or a file."
        ),
    ] = None,
    checkpoint: Annotated[
        str, typer.Option(metavar="last|best|IMAGES", help="Which snapshot of the run.")
    ] = "last",
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another set.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="At a time; does not change the set.")] = 512,
    png: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write PNG files, a folder a class.")
    ] = None,
    gnt: Annotated[Path | None, typer.Option(metavar="DIR", help="Also write a GNT file.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Also draw a contact sheet.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to draw.")] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a store that is there.")
    ] = False,
) -> None:
    """Draw labelled synthetic characters into a store.

    The same seed gives the same set on any batch size, also after an interruption:
    the same command goes on.

    torchrun --nproc-per-node N -m hwgen_cli synthesize ... draws the same set on N GPUs or
    processes.

    Example: hwgen synthesize runs/first --out synthetic.store --classes 3740 --per-class 50
    """
    from rich.console import Console

    from hwgen.devices import keep_freed_memory
    from hwgen.distributed import join
    from hwgen.exports.gnt import export_gnt
    from hwgen.exports.png import export_png
    from hwgen.gan.sampling import Sampler, choose_classes
    from hwgen.gan.sampling import synthesize as run_synthesis
    from hwgen.grids import save_sheet, sheet_of_store
    from hwgen_cli.interrupt import interruptible
    from hwgen_cli.progress import bar

    keep_freed_memory()
    with join(device) as ranks:
        sampler = Sampler.load(run, checkpoint, device)
        class_ids = None if classes is None else choose_classes(classes, sampler.charset)
        with (
            bar("synthesize", "characters", shown=ranks.first) as advance,
            interruptible() as stop,
        ):
            store = run_synthesis(
                sampler,
                out,
                per_class=per_class,
                class_ids=class_ids,
                seed=seed,
                batch=batch,
                overwrite=overwrite,
                progress=advance,
                stop=stop,
                ranks=ranks,
            )
    console = Console(stderr=True, quiet=not ranks.first)
    if store is None:
        console.print(f"{out}: stopped, the same command goes on", soft_wrap=True, highlight=False)
        raise typer.Exit(130)
    if not ranks.first:
        return
    console.print(f"{out}: {len(store):,} characters", soft_wrap=True, highlight=False)
    if png is not None:
        console.print(f"{png}: {export_png(store, png):,} PNG files", soft_wrap=True)
    if gnt is not None:
        console.print(f"{export_gnt(store, gnt)}", soft_wrap=True)
    if sheet is not None:
        save_sheet(sheet, sheet_of_store(store), 12)
        console.print(f"{sheet}", soft_wrap=True)
