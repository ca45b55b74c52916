"""The weights in the package are whole and say all that people need; docs/zoo/ is made of them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

import lstmzoo
from lstmzoo.models.checkpoint_file import find
from lstmzoo.models.pretrained.names import CARD, shipped
from lstmzoo.models.pretrained.weights_folder import read_config, read_ensemble

ROOT = Path(__file__).resolve().parents[1]


def card(name: str) -> Any:
    """What the card of weights in the package is written from."""
    return read_config(find(Path(name)).parent)["card"]


def test_the_pages_are_what_the_script_writes() -> None:
    expected = runpy.run_path(str(ROOT / "scripts" / "document_zoo"))["pages"]()
    found = {file.name: file.read_text("utf-8") for file in (ROOT / "docs/zoo").iterdir()}
    assert found == expected


@pytest.mark.parametrize("name", shipped())
def test_shipped_weights_are_whole(name: str) -> None:
    model = lstmzoo.load(name)
    said = card(name)
    assert said["licence"]
    assert said["failures"]
    assert said["headline"] in said["metrics"][0]["values"]
    assert all(one["command"].startswith(f"lstmzoo eval ckpt_path={name} ") for one in said["metrics"])
    assert all(one["commit"] for one in said["metrics"])
    assert (shipped()[name] / CARD).read_text("utf-8") == (ROOT / "docs/zoo" / f"{name}.md").read_text("utf-8")
    if read_ensemble(Path(name)) is not None:
        return
    again = lstmzoo.create_model(model.model_name, pretrained=name)
    for key, weight in again.state_dict().items():
        assert torch.equal(weight, model.state_dict()[key])


def test_the_scores_of_the_readme_are_those_of_the_weights() -> None:
    rows = [line.split("|") for line in (ROOT / "README.md").read_text("utf-8").splitlines() if line.startswith("| `")]
    scores = {
        **{name: ("BLEU-4", "CIDEr-D") for name in shipped() if name.startswith("flickr8k_")},
        "davis_guided": ("J&F-Mean",),
        "davis_recurrent": ("J&F-Mean",),
        "camvid_framewise": ("mIoU",),
    }
    for name, measures in scores.items():
        (said,) = (row[3] for row in rows if f"`{name}`" in row[1])
        found = {one: value for part in card(name)["metrics"] for one, value in part["values"].items()}
        assert all(f"{100 * found[measure]:.1f}" in said for measure in measures)


def test_all_weights_together_fit_into_the_wheel() -> None:
    assert sum(file.stat().st_size for folder in shipped().values() for file in folder.iterdir()) < 75_000_000
