"""The scripts that tables of docs/segmentation.md rest on."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import torch
from tiny_davis import write_davis

import lstmzoo

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_every_sequence_is_tested_once_by_a_network_that_never_saw_it(tmp_path: Path) -> None:
    names = {"val": ["dog", "bus"], "train": ["bear", "boat", "camel", "flamingo", "hike"]}
    root = write_davis(tmp_path / "davis", names, year=2016)
    folder, folds = runpy.run_path(str(SCRIPTS / "cross_validate"))["with_folds"](root, tmp_path / "folds")

    def listed(part: str, fold: int) -> list[str]:
        return (folder / f"ImageSets/480p/{part}{fold}.txt").read_text().split()

    everything = sorted(names["val"] + names["train"])
    assert sorted(name for fold in range(folds) for name in listed("test", fold)) == everything
    for fold in range(folds):
        assert sorted(listed("test", fold) + listed("train", fold)) == everything
    assert (folder / "JPEGImages/480p/dog/00000.jpg").is_file()


def join(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["join_follow", *words])
    runpy.run_path(str(SCRIPTS / "join_follow"), run_name="__main__")


@pytest.mark.slow
def test_joined_are_the_weights_in_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined = tmp_path / "new" / "joined.ckpt"
    join(monkeypatch, "davis_framewise", "davis_guided", str(joined))
    found, shipped = (lstmzoo.load(name).state_dict() for name in (joined, "davis_recurrent"))
    assert found.keys() == shipped.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in shipped.items())


@pytest.mark.slow
def test_networks_of_other_encoders_are_not_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="encoders"):
        join(monkeypatch, "camvid_framewise", "davis_guided", str(tmp_path / "joined.ckpt"))
    assert not [*tmp_path.iterdir()]
