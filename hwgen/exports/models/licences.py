"""Licences of models, as the header of a model card on the Hugging Face Hub names them.

Identifiers: https://huggingface.co/docs/hub/repositories-licenses, without those of single models.
"""

from __future__ import annotations

import json

from hwgen.errors import InputError

_KNOWN = """
afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0
bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc
cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0
cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0
creativeml-openrail-m ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 gfdl gpl gpl-2.0 gpl-3.0 isc
lgpl lgpl-2.1 lgpl-3.0 lgpl-lr lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail
osl-3.0 pddl postgresql unknown unlicense wtfpl zlib
"""
IDENTIFIERS = frozenset(_KNOWN.split())
"""Values of `license` that the Hub accepts."""

_MOST_TEXT = 200


def normalise_licence(licence: str) -> str:
    """A licence as the user typed it; an identifier of the Hub in the Hub's spelling.

    Raises:
        InputError: it is empty, too long, or has several lines.
    """
    licence = licence.strip()
    if not 0 < len(licence) <= _MOST_TEXT or not licence.isprintable():
        raise InputError(
            f"a licence must be one printable line of 1 to {_MOST_TEXT} characters, found "
            f"{len(licence):,} characters: {licence!r:.60}",
            remedy="Give its name, or an identifier such as cc-by-4.0",
        )
    return licence.lower() if licence.lower() in IDENTIFIERS else licence


def header(licence: str) -> list[str]:
    """The lines of the card's YAML header.

    Args:
        licence: see `normalise_licence`; "" if none was given.
    """
    if licence in IDENTIFIERS:
        return [f"license: {licence}"]
    name = json.dumps(licence, ensure_ascii=False) if licence else "terms-of-the-training-data"
    return ["license: other", f"license_name: {name}", "license_link: README.md"]
