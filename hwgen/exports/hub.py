"""Upload of an exported model or set to the Hugging Face Hub.

In: the folder of an exported model, store or lines. Out: one commit to a model or dataset
repository, which is private unless asked otherwise. The commit also deletes what an earlier upload
of the same format left there.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwgen.errors import InputError
from hwgen.exports.formats import FORMATS
from hwgen.exports.own_files import Written, other_files, own_files
from hwgen.io.json_files import parse_json, read_object
from hwgen.requirements import install_extra
from hwgen.sources.provenance import MARKER
from hwgen.store.origin import data_kind

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
        deleted: paths of files that an earlier upload of the same format had put there, and that
            this one does not have.
        left_out: files in the folder that the export did not write.
    """

    url: str
    kind: str
    public: bool
    files: list[str]
    deleted: list[str]
    left_out: list[str]


def upload(folder: Path | str, repository: str, *, public: bool = False) -> Upload:
    """Upload an export; files of the same name in the repository are replaced.

    Files of an earlier upload of the same format that this export does not have are deleted there,
    and no others.

    The account is that of huggingface_hub: the variable HF_TOKEN, or `hf auth login`. HF_ENDPOINT
    names another server than huggingface.co.

    Args:
        folder: a finished export.
        repository: "user/name" or "organisation/name"; created if missing.
        public: whether everybody may read it.

    Raises:
        InputError: the folder is no finished export, or has too many files; it was to become
            public, and it is not certain that it holds no real samples; a repository that exists is
            public and was not to be; huggingface_hub is not installed; or the server refuses or
            does not answer.
    """
    folder = Path(folder)
    if not re.fullmatch(r"[^\s/]+/[^\s/]+", repository):
        raise InputError(
            f"expected a repository as USER/NAME, found {repository!r:.60}",
            remedy="Write it as in: hwgen upload DIR USER/NAME",
        )
    description = _description(folder)
    files = own_files(folder, description)
    if len(files) > MAX_FILES:
        raise InputError(
            f"has {len(files):,} files, and an upload at most {MAX_FILES:,}",
            where=str(folder),
            remedy="Export with --format parquet or webdataset",
        )
    kind = "model" if description["format"] == "model" else "dataset"
    if public and (text := _doubt(description)):
        raise InputError(
            text,
            where=str(folder),
            remedy="Leave out --public (public=True) to upload to a private repository",
        )
    api = _api()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    additions = [CommitOperationAdd(path, folder / path) for path in files]
    if CARD not in files:
        text = dataset_card(description, repository.rpartition("/")[2])
        additions.append(CommitOperationAdd(CARD, text.encode()))
    paths = sorted(addition.path_in_repo for addition in additions)
    try:
        url = api.create_repo(repository, repo_type=kind, private=not public, exist_ok=True)
        found = api.repo_info(repository, repo_type=kind)
        private = bool(found.private)
        if private == public:
            raise InputError(
                f"the repository exists already and is {'private' if private else 'public'}",
                where=repository,
                remedy="Choose another name, or leave out --public (public=True)"
                if private
                else "Choose another name, make it private, or give --public (public=True)",
            )
        message = f"Upload by hwgen: {description['format']}"
        outdated = sorted(
            _uploaded(api, repository, found, kind, description["format"]) - set(paths)
        )
        deletions = [CommitOperationDelete(path) for path in outdated]
        api.create_commit(
            repository, [*additions, *deletions], commit_message=message, repo_type=kind
        )
    except InputError:
        raise
    except Exception as error:  # of huggingface_hub, of its HTTP client, or of the system
        text = " ".join(str(error).split())[:500].rstrip(".")
        raise InputError(
            f"the upload failed: {type(error).__name__}: {text}",
            where=repository,
            remedy="Check the name and the network, and log in with: hf auth login",
        ) from error
    return Upload(str(url), kind, public, paths, outdated, other_files(folder))


def warning(folder: Path | str) -> str:
    """What to consider before an upload, also to a private repository; "" for nothing.

    Args:
        folder: a finished export.

    Raises:
        InputError: the folder is no finished export.
    """
    return _doubt(_description(Path(folder)))


def dataset_card(description: Mapping[str, Any], name: str) -> str:
    """README.md of an exported set, with the header of the Hugging Face Hub.

    Args:
        description: the content of .export.json, see hwgen.exports.Export.
        name: of the repository.
    """
    kind = data_kind(description)
    mixed = kind != "real" and description.get("generated") is not True
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
            f"`{description['format']}`; the data are {kind}"
            f"{', or in part real or made from real samples' if mixed else ''}.\n",
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
            "the export is not finished, or is of an older version, which did not list its files",
            where=str(folder),
            remedy="Rerun the command that wrote it; of an older version, with another --out",
        )
    return {**found, "format": format}


def _doubt(description: Mapping[str, Any]) -> str:
    """Why a set should not be passed on; "" for models and where all is generated or simulated."""
    if description["format"] == "model" or description.get("generated") is True:
        return ""
    if data_kind(description) == "real":
        return "holds real samples, which CASIA and other owners do not allow to pass on"
    return (
        "may hold real samples or deformed ones, which CASIA and other owners do not allow to pass "
        "on; only exports of a store that hwgen synthesize or hwgen prepare-strokes wrote say for "
        "certain that they hold none"
    )


def _uploaded(api: HfApi, repository: str, info: Any, kind: str, format: str) -> set[str]:
    """Paths of files in a repository that an earlier upload of the same format put there.

    Args:
        api: of the Hub.
        repository: its name.
        info: of the repository, with its commit and files.
        kind: "model" or "dataset".
        format: of the export.
    """
    there = {file.rfilename for file in info.siblings or ()}
    if MARKER not in there:
        return set()
    with tempfile.TemporaryDirectory() as cache:

        def read(path: str) -> bytes | None:
            if path not in there:
                return None
            file = api.hf_hub_download(
                repository, path, repo_type=kind, revision=info.sha, cache_dir=cache
            )
            return Path(file).read_bytes()

        try:
            description = parse_json((read(MARKER) or b"").decode())
        except ValueError:
            return set()
        recipe = description.get("recipe") if isinstance(description, dict) else None
        if not isinstance(recipe, dict) or recipe.get("format") != format:
            return set()
        written = Written(description, read)
    return set() if written.missing else {path for path in there if path in written}


def _api() -> HfApi:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise InputError(
            f"an upload needs {error.name}", remedy=f"Install it with: {install_extra('hub')}"
        ) from None
    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, library_name="hwgen")
