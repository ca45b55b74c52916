"""The site of the documentation builds without a warning, and every page is in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="the site needs pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_of_the_documentation_is_a_page_of_the_site(site: Path) -> None:
    docs = ROOT / "docs"
    files = [*docs.rglob("*.md"), *docs.rglob("*.ipynb")]
    pages = {file.relative_to(docs).with_suffix("").as_posix() for file in files}
    for page in (pages - {"zoo/README"}) | {"zoo", "data", "contributing", "changelog"}:
        assert (site / page / "index.html").is_file(), page


def test_links_lead_to_pages_and_images_of_the_site(site: Path) -> None:
    """Those of the README, too, which stands elsewhere."""
    for page in site.rglob("index.html"):
        for target in re.findall(
            r'(?:href|src)="(?!https?:|#|data:|mailto:)([^"#?]+)', page.read_text(encoding="utf-8")
        ):
            found = (page.parent / target).resolve()
            assert found.is_file() or (found / "index.html").is_file(), f"{page.relative_to(site)} links to {target}"


def test_the_reference_has_what_the_packages_export(site: Path) -> None:
    import lstmzoo
    from lstmzoo import nn

    reference = (site / "api" / "index.html").read_text(encoding="utf-8")
    modules = {"cells", "init", "data", "errors", "metrics", "models", "nn"}
    torchs = {"GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"}
    for package, names in (("lstmzoo", lstmzoo.__all__), ("lstmzoo.nn", nn.__all__)):
        for name in {*names} - modules - torchs - {"__version__"}:
            assert f'id="{package}.{name}"' in reference, f"{package}.{name}"


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("index.html"):
        assert not re.findall(
            r'<(?:script|link|img)[^>]*(?:src|href)="https?://(?!squidfunk)[^"]*"', page.read_text("utf-8")
        )
