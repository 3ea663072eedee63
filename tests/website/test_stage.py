import re
from pathlib import Path

import pytest

import hwgen
from website import stage

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_pages_their_links_and_the_api(tmp_path: Path) -> None:
    stage.stage(tmp_path / "pages")

    staged = {
        path.relative_to(tmp_path / "pages").as_posix()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert {"README.md", "LICENSE", "docs/refined.png", "docs/reference.md"} <= staged
    assert {"datasets/simulated.md", "benchmarks/README.md", "hwgen/store/layout.py"} <= staged
    assert "hwgen/store/reader.py" not in staged
    assert "docs/quickstart.md" in staged
    assert "docs/quickstart.ipynb" not in staged
    assert "](quickstart.md)" in (tmp_path / "pages" / "docs" / "README.md").read_text("utf-8")
    api = (tmp_path / "pages" / stage.API).read_text(encoding="utf-8")
    assert set(re.findall(r"^::: hwgen\.(\w+)$", api, re.MULTILINE)) == {
        name for name in hwgen.__all__ if name != "__version__"
    }


@pytest.mark.parametrize("target", ["../elsewhere.md", "missing.md", "docs"])
def test_a_link_to_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "page.md").write_text(f"[a](https://a.b/c) [b](page.md#d) [c]({target})")
    monkeypatch.setattr(stage, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=rf"page\.md: the link to {target} leads to no file"):
        stage.stage(tmp_path / "pages")


def test_every_document_and_data_set_is_in_the_navigation() -> None:
    paths = re.findall(r"[ :]((?:docs|datasets)/\S+\.md)$", CONFIG, re.MULTILINE)
    globs = [glob for glob in stage.PAGES if glob.startswith(("docs", "datasets"))]
    pages = [path.relative_to(ROOT) for glob in globs for path in ROOT.glob(glob)]
    assert sorted(paths) == sorted(
        [*(path.with_suffix(".md").as_posix() for path in pages), stage.API]
    )


def test_lists_begin_after_an_empty_line() -> None:
    """Which Python-Markdown needs, and GitHub does not."""
    for glob in stage.PAGES:
        for path in ROOT.glob(glob):
            text = stage.markdown(path.relative_to(ROOT).as_posix())
            text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
            lists = re.findall(r"^(?![-\s\d|<]|#).+\n- .*$", text, re.MULTILINE)
            assert lists == [], path
