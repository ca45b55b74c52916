"""docs/settings.md says what the constructors declare."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_is_what_the_script_writes():
    script = runpy.run_path(str(ROOT / "scripts" / "document_settings"))
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == script["page"]()
