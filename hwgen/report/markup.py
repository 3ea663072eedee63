"""HTML in which every text is escaped, whatever file it comes from.

Markup and text differ by type: `Html` is markup that this package wrote; every other value is text,
and is escaped where it enters a page.

MarkupSafe would replace `Html` and one call of html.escape: `text` would stay, because MarkupSafe
keeps control characters, which HTML forbids and result files can contain, and so would the elements
below. Jinja2 templates would need the same elements as macros, since a page is a list of optional
parts.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from typing import Any

MOST_JSON = 100_000
"""Maximum number of characters of JSON in one block."""

# https://html.spec.whatwg.org/multipage/parsing.html: NUL and controls are errors there.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")
_CONTROLS |= {code: chr(code) for code in b"\t\n"}
# Bidirectional controls would show the text beside them in another order.
_CONTROLS |= dict.fromkeys(
    (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)),
    "\N{REPLACEMENT CHARACTER}",
)


class Html(str):
    """Markup that needs no escaping; made by the functions of this package only."""

    __slots__ = ()


def text(value: object) -> Html:
    """Markup unchanged; anything else as escaped text, without characters that HTML forbids."""
    return value if isinstance(value, Html) else Html(_escaped(value))


def _escaped(value: object) -> str:
    return html.escape(str(value).translate(_CONTROLS))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Concatenate parts."""
    return Html(between.join(text(part) for part in parts))


def tag(name: str, *content: object, **attributes: object) -> Html:
    """An element; an attribute's trailing underscore is dropped, others become hyphens.

    An attribute of None is left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(content)}</{name}>")


def image(uri: str, width: int, alt: str) -> Html:
    """An image `width` CSS pixels wide, or as wide as the page if that is narrower."""
    style = f"width:{width}px"
    return Html(f'<img src="{_escaped(uri)}" alt="{_escaped(alt)}" style="{style}">')


def label(value: str) -> Html:
    """A class label, in the Chinese font of the browser."""
    return tag("span", value, lang="zh", class_="label")


def table(head: Sequence[object], rows: Iterable[Sequence[object]], numbers: int = 0) -> Html:
    """A table that scrolls horizontally where the page is narrow.

    Args:
        head: column titles.
        rows: cells; the first of each row is its heading.
        numbers: number of columns, from the last, that are right-aligned.
    """

    def style(column: int) -> str | None:
        return "number" if column >= len(head) - numbers else None

    header = tag("tr", *(tag("th", h, scope="col", class_=style(i)) for i, h in enumerate(head)))
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell, class_=style(i)) for i, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    ]
    return tag(
        "div",
        tag("table", tag("thead", header), tag("tbody", *body)),
        class_="scroll",
        tabindex="0",
    )


def facts(pairs: Iterable[tuple[object, object]]) -> Html:
    """A two-column table of names and values."""
    rows = [tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in pairs]
    return tag("table", tag("tbody", *rows), class_="facts")


def figure(content: Html, caption: object, title: str = "") -> Html:
    """An image or plot with its caption."""
    head = [tag("h4", title)] if title else []
    return tag("figure", *head, content, tag("figcaption", caption))


def missing(what: str) -> Html:
    """A note in place of a part that is missing."""
    return tag("p", what, class_="missing")


def as_json(title: str, value: Any) -> Html:
    """A folded block with a value's full JSON."""
    written = json.dumps(value, ensure_ascii=False, indent=1)
    if len(written) > MOST_JSON:
        written = f"{written[:MOST_JSON]}\n… of {len(written):,} characters"
    return tag("details", tag("summary", title), tag("pre", written))


def section(anchor: str, title: object, *content: object) -> Html:
    """A part of the page that the contents can point to."""
    return tag("section", tag("h2", title), *content, id=anchor)
