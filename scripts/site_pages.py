"""Pages of the site that stand elsewhere in the repository, and links as the site needs them."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "data/README.md": "data.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
HREF = re.compile(r'href="(?!https?:|#|mailto:|data:)([^"#?]+\.(?:md|ipynb))((?:#[^"]*)?)"')
LINK = re.compile(r"\[([^\[\]]*)\]\((?!https?:|#)([^)\s#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=with_links(text, posixpath.dirname(source), "")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Mend the links of a page of docs/."""
    if page.file.generated_by is not None:
        return markdown
    folder = posixpath.dirname(page.file.src_uri)
    return with_links(markdown, posixpath.join("docs", folder), folder)


def with_links(text: str, source: str, folder: str) -> str:
    """Let relative links of a text lead to the site's pages; of what is no page, such as LICENSE, the words stay.

    Args:
        text: Markdown.
        source: the folder of the repository that its links start from.
        folder: the folder of the site that its page lies in.
    """

    def mended(link: re.Match[str]) -> str:
        words, page, anchor = link[1], page_of(posixpath.join(source, link[2])), link[3] or ""
        return words if page is None else f"[{words}]({posixpath.relpath(page, folder or '.')}{anchor})"

    return LINK.sub(mended, text)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Mend the links of a notebook, which comes as HTML."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    source = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def mended(link: re.Match[str]) -> str:
        target = page_of(posixpath.join(source, link[1]))
        assert target is not None, f"{page.file.src_uri} links to {link[1]}, which is no page"
        place = posixpath.relpath(posixpath.splitext(target)[0], posixpath.splitext(page.file.src_uri)[0])
        return f'href="{place}/{link[2]}"'

    return HREF.sub(mended, html)


def page_of(path: str) -> str | None:
    """Return the page of the site that shows a file of the repository; None where there is none."""
    path = posixpath.normpath(path)
    if path == "docs/zoo":
        return "zoo/README.md"
    return PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
