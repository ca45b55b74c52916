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
        words, target, anchor = link[1], posixpath.normpath(posixpath.join(source, link[2])), link[3] or ""
        page = PAGES.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if target == "docs/zoo":
            page = "zoo/README.md"
        return words if page is None else f"[{words}]({posixpath.relpath(page, folder or '.')}{anchor})"

    return LINK.sub(mended, text)
