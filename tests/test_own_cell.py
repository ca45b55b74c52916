"""A cell of one's own in a module of one's own: by its place, on the command line and in checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import lstmzoo
import tiny_runs
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models.checkpoint import checkpoint_metadata

MODULE = """
import torch
from lstmzoo.nn import Cell

class Leaky(Cell):
    gates = {"n": torch.tanh}
    state = ("h",)

    def __init__(self, rate=0.5):
        self.rate = rate

    def step(self, z, s, gate, p):
        return self.State(h=(1 - self.rate) * s.h + self.rate * gate.n(z.n))

slow = Leaky(rate=0.125)
not_a_cell = print
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("own")
    (found / "my_lab").mkdir()
    (found / "my_lab" / "cells_of_mine.py").write_text(MODULE)
    return found


@pytest.mark.slow
def test_train_and_eval_by_place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tiny_runs.settings(tiny_runs.write_tiny_kth(tmp_path / "kth"))
    arguments = ("train", *settings, "trainer.max_epochs=1", "model.cell=my_lab.cells_of_mine:slow")
    refused = tiny_runs.run(*arguments, cwd=tmp_path)
    assert refused.code == 2
    assert "'my_lab.cells_of_mine'" in refused.err
    assert "PYTHONPATH" in refused.err
    monkeypatch.setenv("PYTHONPATH", str(folder))
    trained = tiny_runs.run(*arguments, cwd=tmp_path)
    assert trained.code == 0, trained.err
    (run,) = (tmp_path / "runs").glob("kth_lstm/*")
    unasked = tiny_runs.run("eval", f"ckpt_path={run}", cwd=tmp_path)
    assert unasked.code == 2
    assert "set LSTMZOO_IMPORT=my_lab.cells_of_mine" in unasked.err
    monkeypatch.setenv("LSTMZOO_IMPORT", "my_lab.cells_of_mine")
    evaluated = tiny_runs.run("eval", f"ckpt_path={run}", cwd=tmp_path)
    assert evaluated.code == 0, evaluated.err
    monkeypatch.delenv("PYTHONPATH")
    alone = tiny_runs.run("eval", f"ckpt_path={run}", cwd=tmp_path)
    assert alone.code == 2
    assert "'my_lab.cells_of_mine'" in alone.err


def test_a_checkpoint_brings_the_cell_back(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    model = lstmzoo.create_model("action_rnn", cell="my_lab.cells_of_mine:slow", num_classes=2).eval()
    assert model.rnn.cell.rate == 0.125
    metadata = checkpoint_metadata(model.model_name, model.model_args, ["a", "b"], {"size": [32, 32]})
    weights = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    torch.save({"state_dict": weights, "lstmzoo": metadata}, tmp_path / "own.ckpt")
    loaded = lstmzoo.load(tmp_path / "own.ckpt")
    video = torch.randint(256, (1, 3, 1, 32, 32), dtype=torch.uint8)
    assert loaded(video).equal(model(video))
    metadata["model"]["args"]["cell"] = "os:system"  # a checkpoint names it, and nothing but a cell is used
    torch.save({"state_dict": weights, "lstmzoo": metadata}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match=r"'os'.*'system'"):
        lstmzoo.load(tmp_path / "evil.ckpt")
    metadata["model"]["args"]["cell"] = "this:Zen"  # a module that nobody has imported is not run
    torch.save({"state_dict": weights, "lstmzoo": metadata}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match="'this'"):
        lstmzoo.load(tmp_path / "evil.ckpt")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("my_lab.cells_of_mine:Leakey", r"'Leakey'.*'Leaky'"),
        ("my_lab.cells_of_mine:not_a_cell", r"'my_lab\.cells_of_mine'.*'not_a_cell'"),
        ("my_lab.nothing:Leaky", r"'my_lab\.nothing'"),
        (":Leaky", "''"),
        ("leaky", "'leaky'.*import.*my_module:MyCell"),
    ],
)
def test_messages(folder: Path, place: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(ValueError, match=message):
        lstmzoo.nn.get_cell(place)
    with pytest.raises(LstmzooError, match=message):
        lstmzoo.create_model("action_rnn", cell=place)
