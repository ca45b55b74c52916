"""What the repository says about itself in several files is the same in all of them."""

import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from lstmzoo.version import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def read(path: str):
    return yaml.safe_load((ROOT / path).read_text("utf-8"))


def test_the_citation_is_of_this_version():
    citation = read("CITATION.cff")
    assert str(citation["version"]) == PROJECT["version"] == __version__
    assert citation["license"] == PROJECT["license"].split()[0]


def test_all_supported_versions_of_python_are_tested():
    tested = read(".github/workflows/tests.yml")["jobs"]["quick"]["strategy"]["matrix"]["python-version"]
    supported = SpecifierSet(PROJECT["requires-python"])
    assert tested == [f"3.{minor}" for minor in range(6, 30) if f"3.{minor}.1" in supported]


@pytest.mark.parametrize("workflow", sorted(ROOT.glob(".github/workflows/*.yml")), ids=lambda path: path.stem)
def test_workflows_run_what_there_is(workflow):
    jobs = yaml.safe_load(workflow.read_text("utf-8"))["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    scripts = {script for command in commands for script in re.findall(r"\./(scripts/\w+)", command)}
    assert "scripts/test" in scripts
    assert all((ROOT / script).is_file() for script in scripts)
