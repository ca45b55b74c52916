"""docs/settings.md says what the constructors declare."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def sections(page: str) -> dict[str, str]:
    """The text below each heading."""
    head, *parts = re.split(r"^## (\S+)\n", page, flags=re.MULTILINE)
    return {"": head, **dict(zip(parts[::2], parts[1::2], strict=True))}


def test_the_page_is_what_the_script_writes():
    """Of what is not on the page yet, nothing is asked: a new model is one new file."""
    script = runpy.run_path(str(ROOT / "scripts" / "document_settings"))
    found, expected = (sections(page) for page in ((ROOT / "docs/settings.md").read_text("utf-8"), script["page"]()))
    assert len(found) > 20
    assert found == {name: expected.get(name) for name in found}
