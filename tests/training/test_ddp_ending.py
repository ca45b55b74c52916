"""Two processes that train together end together, whichever of them is told to."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
import torch

import tiny_runs

pytestmark = pytest.mark.slow

# Each case in two forked processes that lstmzoo takes for those of one run; imports are paid for once. At the second
# call of a step of the task, some processes get a signal, or see a loss that is not a number.
FORKED = """
import json, os, signal, socket, sys
import torch
from lstmzoo.cli import main
import lstmzoo.runs.train  # heavy imports before the forks
from lstmzoo.actions.task import RecognitionTask as Task

def break_at(step, what, mine):
    inner, calls = getattr(Task, step), 0
    def outer(self, *arguments):
        nonlocal calls
        calls += 1
        if mine and calls == 2 and what != "nan":
            os.kill(os.getpid(), getattr(signal, what))
        found = inner(self, *arguments)
        return found * torch.nan if mine and calls == 2 and what == "nan" else found
    setattr(Task, step, outer)

def run(name, step, what, ranks, arguments):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    children = []
    for rank in (0, 1):
        pid = os.fork()
        if pid == 0:
            os.environ.update(LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
            from lightning.pytorch.utilities import rank_zero_only
            rank_zero_only.rank = rank
            sys.stderr = sys.stdout = open(f"{name}.{rank}.txt", "w", buffering=1)
            break_at(step, what, rank in ranks)
            try:
                code = main([*arguments, f"hydra.run.dir={name}"])
            except SystemExit as error:
                code = error.code
            sys.stdout.flush()
            os._exit(code)
        children.append(pid)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]

cases, arguments = json.loads(sys.argv[1]), sys.argv[2:]
print(json.dumps({name: run(name, *case, arguments) for name, case in cases.items()}))
"""
CASES = {
    "first": ("training_step", "SIGHUP", [0]),
    "second": ("training_step", "SIGTERM", [1]),
    "both": ("training_step", "SIGTERM", [0, 1]),
    "validation": ("validation_step", "SIGTERM", [1]),
    "nan": ("training_step", "nan", [1]),
}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_two_processes_end_together(tmp_path: Path) -> None:
    """One that ends alone leaves the other waiting for ever (https://github.com/Lightning-AI/pytorch-lightning/issues/20806)."""
    data = tiny_runs.write_tiny_kth(tmp_path / "kth")
    settings = [*tiny_runs.settings(data), "data.batch_size=2", "data.num_workers=0", "test_after_fit=false"]
    two = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.max_epochs=1"]
    process = tiny_runs.start(json.dumps(CASES), "train", *settings, *two, cwd=tmp_path, script=FORKED)
    ended = tiny_runs.end(process)
    assert ended.code == 0, ended.err
    codes = json.loads(ended.out.splitlines()[-1])
    for name, (step, what, _) in CASES.items():
        said = [(tmp_path / f"{name}.{rank}.txt").read_text() for rank in (0, 1)]
        assert "Traceback" not in "".join(said)
        assert ["batch norm" in text for text in said] == [True, False]  # its statistics are those of one process
        assert codes[name] == [{"SIGTERM": 143, "SIGHUP": 129, "nan": 2}[what], 0], (name, said)
        last = tmp_path / name / "checkpoints" / "last.ckpt"
        if what == "nan":
            assert not last.exists()
            assert "epoch 1, step 2" in said[0]
            assert "task.lr" in said[0]
            continue
        assert f"train resume={tmp_path / name}" in said[0] or f"train resume={name}" in said[0]
        done = torch.load(last, weights_only=True)["global_step"]
        assert done == (2 if step == "training_step" else 3), "the batch in work is finished, validation too"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_forked_processes_hand_back_what_they_found(tmp_path: Path) -> None:
    """Lightning passes bare weights from forked and spawned processes through the reader of checkpoints."""
    data = tiny_runs.write_tiny_kth(tmp_path / "kth")
    settings = [*tiny_runs.settings(data), "data.num_workers=0", "trainer.max_epochs=2"]
    forked = ["trainer.devices=2", "trainer.strategy=ddp_fork", "hydra.run.dir=run"]
    ended = tiny_runs.run("train", *settings, *forked, cwd=tmp_path)
    assert ended.code == 0, ended.err
    run = tmp_path / "run"
    found = json.loads((run / "metrics.json").read_text())
    assert found["test"] == tiny_runs.numbers(run / "eval_test")
    with (run / "metrics.csv").open(newline="") as file:
        accuracies = [float(row["val/accuracy"]) for row in csv.DictReader(file) if row["val/accuracy"]]
    assert found["best"] == pytest.approx(max(accuracies), abs=1e-4)
    assert found["best_epoch"] == torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["epoch"]
    assert found["epochs"] == len(accuracies) == 2
