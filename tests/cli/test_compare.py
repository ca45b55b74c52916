"""Sweeps end with one table, and `lstmzoo compare` makes it of any runs: what differs, and mean and sd over seeds."""

from __future__ import annotations

import csv
import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import pytest

import tiny_runs
from lstmzoo.cli import main
from lstmzoo.io.atomic import write_json
from lstmzoo.runs.run_folder import write_config


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "summary.csv", newline="") as file:
        return list(csv.DictReader(file))


def table_of(folder: Path) -> list[list[str]]:
    lines = (folder / "summary.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---" not in line]


def write_run(folder: Path, accuracy: float, **changes: object) -> Path:
    """What `compare` reads of a run."""
    config = {"model": {"name": "action_rnn", "cell": "lstm"}, "data": {"root": str(folder)}, "seed": 0}
    for key, value in changes.items():
        group, _, name = key.partition("_")
        config = {**config, group: {**config[group], name: value} if name else value}  # type: ignore[dict-item]
    from omegaconf import OmegaConf

    folder.mkdir(parents=True)
    write_config(folder, OmegaConf.create(config))
    numbers = {"monitor": "val/accuracy", "best": accuracy, "parameters": 10, "seconds": 1.5, "test": {"acc": accuracy}}
    write_json(folder / "metrics.json", numbers)
    (folder / "metrics.csv").write_text(f"epoch,step,val/accuracy\n0,1,{accuracy / 2}\n1,2,{accuracy}\n")
    return folder


def assert_mean(shown: str, values: Sequence[float]) -> None:
    mean, deviation = (float(number) for number in re.split(" ± ", shown))
    assert mean == pytest.approx(statistics.fmean(values), abs=6e-4)
    assert deviation == pytest.approx(statistics.stdev(values), abs=6e-4)


def test_runs_of_different_seeds_are_one_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for cell, accuracies in {"lstm": (0.5, 0.75, 0.625), "gru": (0.25, 0.5)}.items():
        for seed, accuracy in enumerate(accuracies):
            write_run(tmp_path / "runs" / f"{cell}{seed}", accuracy, model_cell=cell, seed=seed)
    (tmp_path / "runs" / "not ended").mkdir()
    (tmp_path / "runs" / "not ended" / "config.yaml").write_text("seed: 1\n")
    assert main(["compare", str(tmp_path / "runs"), f"output={tmp_path}/out"]) == 0
    shown = capsys.readouterr().out
    assert "model.cell" in shown
    assert "best val/accuracy" in shown
    head, *rows = table_of(tmp_path / "out")
    assert head == ["model.cell", "runs", "best val/accuracy", "test acc", "parameters", "seconds"]
    assert [row[:2] for row in rows] == [["gru", "2"], ["lstm", "3"]]
    assert_mean(rows[1][2], (0.5, 0.75, 0.625))
    assert_mean(rows[0][3], (0.25, 0.5))
    assert [(row["model.cell"], row["seed"], row["test acc"]) for row in rows_of(tmp_path / "out")][:3] == [
        *(("gru", "0", "0.25"), ("gru", "1", "0.5"), ("lstm", "0", "0.5")),
    ]
    assert (tmp_path / "out" / "summary.png").is_file()


def test_runs_of_different_models_are_told_by_their_names(tmp_path: Path) -> None:
    """Not by all the keys that only one of them has."""
    one = write_run(tmp_path / "one", 0.5)
    other = write_run(tmp_path / "other", 0.75, model_name="action_meanpool", model_width=3)
    assert main(["compare", str(one), str(other), f"output={tmp_path}/out"]) == 0
    head, *rows = table_of(tmp_path / "out")
    assert head[:2] == ["model.name", "runs"]
    assert [row[2] for row in rows] == ["0.500", "0.750"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"test": 3}', "[" * 3000, '{"monitor": 1, "best": "x", "test": []}']
)
def test_runs_that_cannot_be_read_are_one_message(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, broken = write_run(tmp_path / "one", 0.5), write_run(tmp_path / "broken", 0.5)
    (broken / "metrics.json").write_text(content)
    assert main(["compare", str(one), str(broken), f"output={tmp_path}/out"]) == 2
    said = capsys.readouterr().err
    assert "broken" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_sweep_ends_with_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tiny_runs.settings(tiny_runs.write_tiny_kth(tmp_path / "kth"))
    short = ["trainer=debug", "data.num_workers=0", "callbacks.progress=none", f"output={tmp_path}/sweep"]
    assert main(["train", "-m", *settings, *short, "seed=0,1", "model.cell=lstm,gru"]) == 0
    assert "mean ± standard deviation" in capsys.readouterr().out
    names = [
        f"{n}_model.cell={cell},seed={seed}"
        for n, (seed, cell) in enumerate([(0, "lstm"), (0, "gru"), (1, "lstm"), (1, "gru")])
    ]
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == names
    rows = rows_of(tmp_path / "sweep")
    assert sorted(Path(row["run"]).name for row in rows) == names
    for row in rows:
        numbers = json.loads((Path(row["run"]) / "metrics.json").read_text())
        assert float(row["best val/accuracy"]) == numbers["best"]
        assert float(row["test sequence_accuracy"]) == numbers["test"]["sequence_accuracy"]
    head, *shown = table_of(tmp_path / "sweep")
    assert head[:2] == ["model.cell", "runs"]
    for row in shown:
        best = [float(one["best val/accuracy"]) for one in rows if one["model.cell"] == row[0]]
        assert_mean(row[2], best)
    assert (tmp_path / "sweep" / "summary.png").is_file()
    two = ["trainer.strategy=ddp", "trainer.devices=2"]
    assert main(["train", "-m", *settings, "seed=0,1", *two]) == 2
    assert "ddp_spawn" in capsys.readouterr().err
