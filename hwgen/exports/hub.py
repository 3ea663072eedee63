"""Upload of an exported model or set to the Hugging Face Hub.

In: the folder of an exported model, store or lines. Out: one commit to a model or dataset
repository, which is private unless asked otherwise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.errors import InputError
from hwgen.exports.formats import FORMATS
from hwgen.exports.own_files import other_files, own_files
from hwgen.io.json_files import read_object
from hwgen.requirements import install_extra
from hwgen.sources.provenance import MARKER

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAX_FILES = 1_000
"""Most files in an upload, which is one commit; parquet and webdataset need few."""

CARD = "README.md"


@dataclass(frozen=True)
class Upload:
    """What was uploaded.

    Attributes:
        url: of the repository.
        kind: "model" or "dataset".
        public: whether everybody can read it.
        files: paths in the repository.
        left_out: files in the folder that the export did not write.
    """

    url: str
    kind: str
    public: bool
    files: list[str]
    left_out: list[str]


def upload(folder: Path | str, repository: str, *, public: bool = False) -> Upload:
    """Upload an export; files of the same name in the repository are replaced.

    The account is that of huggingface_hub: the variable HF_TOKEN, or `hf auth login`. HF_ENDPOINT
    names another server than huggingface.co.

    Args:
        folder: a finished export.
        repository: "user/name" or "organisation/name"; created if missing.
        public: whether everybody may read it.

    Raises:
        InputError: the folder is no finished export, or has too many files; real samples were to
            become public; a repository that exists is public and was not to be; huggingface_hub is
            not installed; or the server refuses or cannot be reached.
    """
    folder = Path(folder)
    description = _description(folder)
    files = own_files(folder)
    if len(files) > MAX_FILES:
        raise InputError(
            f"has {len(files):,} files, and an upload at most {MAX_FILES:,}",
            where=str(folder),
            remedy="Export with --format parquet or webdataset",
        )
    kind = "model" if description["format"] == "model" else "dataset"
    if public and _real(description):
        raise InputError(
            "holds real samples, which CASIA and other owners do not allow to pass on",
            where=str(folder),
            remedy="Leave out --public (public=True) to upload to a private repository",
        )
    api = _api()
    from huggingface_hub import CommitOperationAdd

    additions = [CommitOperationAdd(path, folder / path) for path in files]
    if CARD not in files:
        text = dataset_card(description, repository.rpartition("/")[2])
        additions.append(CommitOperationAdd(CARD, text.encode()))
    try:
        url = api.create_repo(repository, repo_type=kind, private=not public, exist_ok=True)
        private = bool(api.repo_info(repository, repo_type=kind).private)
        if private == public:
            raise InputError(
                f"the repository exists already and is {'private' if private else 'public'}",
                where=repository,
                remedy="Choose another name, or leave out --public (public=True)"
                if private
                else "Choose another name, make it private, or give --public (public=True)",
            )
        message = f"Upload by hwgen: {description['format']}"
        api.create_commit(repository, additions, commit_message=message, repo_type=kind)
    except InputError:
        raise
    except Exception as error:  # of huggingface_hub, of its HTTP client, or of the system
        text = " ".join(str(error).split())[:500].rstrip(".")
        raise InputError(
            f"the upload failed: {type(error).__name__}: {text}",
            where=repository,
            remedy="Check the name and the network, and log in with: hf auth login",
        ) from error
    paths = sorted(addition.path_in_repo for addition in additions)
    return Upload(str(url), kind, public, paths, other_files(folder))


def dataset_card(description: Mapping[str, Any], name: str) -> str:
    """README.md of an exported set, with the header of the Hugging Face Hub.

    Args:
        description: the content of .export.json, see hwgen.exports.Export.
        name: of the repository.
    """
    kind = _data_kind(description)
    header = {
        "license": "other",
        "license_name": "terms-of-the-data",
        "license_link": CARD,
        "tags": ["hwgen", "handwritten-chinese", kind],
    }
    counts = {subset or "all": int(count) for subset, count in description["records"].items()}
    lines = [f"- {subset}: {count:,} images" for subset, count in counts.items()]
    notice = str(description.get("notice") or "")
    return "\n".join(
        [
            "---",
            *(f"{key}: {json.dumps(value)}" for key, value in header.items()),
            "---\n",
            f"# {name}\n",
            f"Labelled images of handwritten characters, exported by hwgen as "
            f"`{description['format']}`; the data are {kind}.\n",
            *lines,
            f"- {len(description['charset']):,} labels\n",
            f"`{MARKER}` has the labels in the order of their ids, and the origin of the data.\n",
            "## Licence\n",
            *([f"{' '.join(notice.split())}\n"] if notice else []),
            "The terms of the data that these images were made from apply to them, too.\n",
        ]
    )


def _description(folder: Path) -> Mapping[str, Any]:
    """The content of .export.json, with "format"."""
    remedy = "Give a folder that hwgen export, hwgen lines or hwgen export-model wrote"
    try:
        found = read_object(folder / MARKER)
    except (OSError, ValueError) as error:
        raise InputError("is not an export of hwgen", where=str(folder), remedy=remedy) from error
    recipe, files = found.get("recipe"), found.get("files")
    format = recipe.get("format") if isinstance(recipe, dict) else None
    if format == "model":
        return {**found, "format": format}
    counts, charset = found.get("records"), found.get("charset")
    if format not in FORMATS or not isinstance(counts, dict) or not isinstance(charset, list):
        raise InputError("is not an export of hwgen", where=str(folder), remedy=remedy)
    if not files:
        raise InputError(
            "the export is not finished",
            where=str(folder),
            remedy="Rerun the command that wrote it",
        )
    return {**found, "format": format}


def _data_kind(description: Mapping[str, Any]) -> str:
    """`real`, `simulated` or `synthetic`."""
    if description.get("synthetic"):
        return "synthetic"
    return "simulated" if description.get("simulated") else "real"


def _real(description: Mapping[str, Any]) -> bool:
    return description["format"] != "model" and _data_kind(description) == "real"


def _api() -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise InputError(
            f"an upload needs {error.name}", remedy=f"Install it with: {install_extra('hub')}"
        ) from None
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="hwgen")
