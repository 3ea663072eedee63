"""`hwgen upload`: an exported model or set on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwgen_cli.options import Json
from hwgen_cli.output import print_json, print_lines

FolderArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="Output directory of hwgen export-model, hwgen export or hwgen lines."
    ),
]
RepositoryArgument = Annotated[
    str,
    typer.Argument(metavar="USER/NAME", help="Repository; it is created if it does not exist."),
]
Public = Annotated[
    bool,
    typer.Option(
        "--public",
        help="Let everybody read the repository, which is private otherwise. Refused unless it is "
        "certain that an export holds no real samples and no deformed ones.",
    ),
]


def upload(
    folder: FolderArgument,
    repository: RepositoryArgument,
    public: Public = False,
    json: Json = False,
) -> None:
    """Upload an exported model or set to the Hugging Face Hub.

    Only files that the export wrote are uploaded, with a dataset card for a set. Files of an
    earlier upload of the same format that are not in this one are deleted from the repository. Log
    in first with hf auth login, or set HF_TOKEN. Needs the extra "hub".

    Example: hwgen upload first-model USER/first-model

    Example: hwgen upload synthetic-parquet USER/synthetic --public
    """
    from hwgen.exports.hub import upload as send
    from hwgen.exports.hub import warning

    if not public and (text := warning(folder)):
        print_lines(f"warning: {folder}: {text}", stderr=True)
    result = send(folder, repository, public=public)
    if json:
        print_json(vars(result))
        return
    print_lines(
        f"{result.url}: {'public' if result.public else 'private'} {result.kind}, "
        f"{len(result.files)} files",
        *(f"deleted there, of an earlier upload: {path}" for path in result.deleted),
        *(f"not uploaded, since the export did not write it: {path}" for path in result.left_out),
    )
