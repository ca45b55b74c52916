"""Papers are linked where they are named, and docs/papers.bib has an entry for each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from lstmzoo import nn

DOCS = Path(__file__).resolve().parents[1] / "docs"
BIB = (DOCS / "papers.bib").read_text("utf-8")
PAGES = {page.stem: page.read_text("utf-8") for page in DOCS.glob("*.md")}
PLACES = ("arxiv.org/abs/", "doi.org/10.", "aclanthology.org/", "proceedings.mlr.press/", "openaccess.thecvf.com/")
PAPER = re.compile(r"([A-Zv][^\W\d]*(?: [^\W\d]+)*?(?: & [^\W\d]+| et al\.)?) ((?:19|20)\d\d)")


class Entry(NamedTuple):
    authors: list[str]
    title: str
    year: str
    url: str


def entries() -> list[Entry]:
    found = []
    for text in re.split(r"^@\w+", BIB, flags=re.MULTILINE)[1:]:
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", text, re.MULTILINE))
        found.append(Entry(fields["author"].split(" and "), fields["title"], fields["year"], fields["url"]))
    return found


ENTRIES = {entry.url: entry for entry in entries()}
LINK = re.compile(r"\[([^\[\]]+ \d{4})\]\((https:[^\s()]+)\)")
LINKS = [(page, *link) for page, text in PAGES.items() for link in LINK.findall(text)]


@pytest.mark.parametrize(("page", "name", "url"), LINKS)
def test_a_paper_that_is_linked_has_an_entry_with_its_authors_and_year(page: str, name: str, url: str) -> None:
    authors, year = PAPER.fullmatch(name).groups()
    entry = ENTRIES[url]
    assert entry.year == year
    surnames = authors.removesuffix(" et al.").split(" & ")
    for surname, author in zip(surnames, entry.authors, strict=False):
        assert author.replace("{", "").replace("}", "").endswith(surname)
    assert len(entry.authors) > 2 if authors.endswith("et al.") else len(entry.authors) == len(surnames)


def test_every_source_of_a_cell_is_linked() -> None:
    rows = [line.split("|") for line in PAGES["cells"].splitlines() if line.startswith("| `")]
    assert len(rows) == len([name for name in nn.list_cells() if type(nn.get_cell(name)).__module__[:7] == "lstmzoo"])
    for row in rows:
        source = row[3]
        assert re.search(r"\]\(https:", source), row[1]
        assert not PAPER.search(re.sub(r"\[[^\]]*\]\([^)]*\)", "", source)), row[1]


def test_every_paper_of_a_model_is_linked() -> None:
    for page in ("captioning", "segmentation"):
        rows = [line.split("|") for line in PAGES[page].split("| model | paper |")[1].split("\n\n")[0].splitlines()[2:]]
        assert rows
        for row in rows:
            assert not PAPER.search(re.sub(r"\[[^\]]*\]\([^)]*\)", "", row[2])), row[1]


def test_every_entry_is_of_a_paper_that_some_page_names() -> None:
    assert BIB.count("\n@") == len(ENTRIES)
    assert {url for _, _, url in LINKS} == set(ENTRIES)
    assert all(url.startswith(tuple(f"https://{place}" for place in PLACES)) for url in ENTRIES)


def test_numbers_of_arxiv_in_docstrings_are_those_of_the_entries() -> None:
    """Two sources of the same number, written at different times."""
    for name in nn.list_cells():
        cell = type(nn.get_cell(name))
        for number in re.findall(r"\((\d{4}\.\d{5})\)", cell.__doc__ or ""):
            assert f"https://arxiv.org/abs/{number}" in ENTRIES, name
