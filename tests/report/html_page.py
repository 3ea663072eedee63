"""A written report as tests read it: texts, headings, images and attributes."""

from html.parser import HTMLParser
from pathlib import Path

from hwgen.report.page import write_report

_VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that tags nest, and gathers texts, attributes and headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.headings: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)
        if tag in ("h2", "h3"):
            self.headings.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)
        if self.open and {"h2", "h3"} & set(self.open):
            self.headings[-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def images(self) -> list[str]:
        return [v for tag, name, v in self.attributes if (tag, name) == ("img", "src")]


def page_of(out: Path, *paths: Path, real: bool = True) -> Page:
    assert write_report(paths, out, real=real) == out
    return Page(out.read_text(encoding="utf-8"))
