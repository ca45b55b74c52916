"""`lstmzoo study memory`: what is trained, what is measured, what is written."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator

from lstmzoo.cli import main
from lstmzoo.errors import LstmzooError
from lstmzoo.nn import list_cells
from lstmzoo.study import done, memory, trial
from lstmzoo.study.bootstrap import interval
from lstmzoo.study.done import alone
from lstmzoo.study.look import LONGEST_HALF_LIFE, forgetting, gradient_by_distance
from lstmzoo.study.memory_report import longest_solved
from lstmzoo.study.trial import Trial, _sequences, build, count_parameters, hidden_size_for, open_problem

TINY = Trial("recall", "lstm", distance=3, seed=0, lr=0.01, steps=4, parameters=300)


@pytest.mark.parametrize("cell", list_cells())
@pytest.mark.parametrize("parameters", [700, 6000])
def test_no_cell_has_more_parameters_than_the_others(cell, parameters):
    data = open_problem("recall", 5)
    hidden_size = hidden_size_for(data, cell, parameters)
    assert count_parameters(build(data, cell, hidden_size)) <= parameters
    assert count_parameters(build(data, cell, hidden_size + 1)) > parameters


def test_too_few_parameters_are_named():
    with pytest.raises(LstmzooError, match=r"parameters=3.*lstm"):
        hidden_size_for(open_problem("recall", 5), "lstm", 3)


def test_a_trial_is_the_same_each_time():
    first, again = (trial.run(TINY) for _ in range(2))
    for found in (first, again):
        del found["seconds"]
    assert first == again
    other = trial.run(replace(TINY, seed=1))
    assert other["gradient_before"] != first["gradient_before"]


def test_cells_of_one_seed_see_the_same_sequences():
    seen = [
        open_problem("recall", 7).draw(4, trial._generator(replace(TINY, cell=cell, distance=7), "training"))[0]
        for cell in ("lstm", "gru")
    ]
    assert torch.equal(*seen)
    purposes = [trial._generator(TINY, purpose).initial_seed() for purpose in ("training", "validation", "test")]
    assert len(set(purposes)) == 3


def test_training_ends_when_the_problem_is_learnt_and_not_after():
    learnt = trial.run(Trial("recall", "lstm", distance=3, seed=0, lr=0.01, steps=400, parameters=2000))
    assert learnt["score"] > 0.95
    assert learnt["steps"] < 400
    assert learnt["steps"] % trial.CHECK_EVERY == 0
    assert trial.run(TINY)["steps"] == TINY.steps


def test_the_gradient_is_that_of_a_linear_recurrence():
    """Of h = a h₋ + w x, the derivative k steps back is a^k times that of the last step."""
    data = open_problem("two_sequence", 10)
    model = build(data, "indrnn", 1)
    with torch.no_grad():
        model.rnn.weight_ih_l0.fill_(1.0)
        model.rnn.bias_ih_l0.fill_(100.0)  # always above 0, where the cell is linear
        for name, parameter in model.rnn.named_parameters():
            if parameter.dim() == 1 and "bias" not in name:
                parameter.fill_(0.5)
    for k, relative in gradient_by_distance(model, data):
        assert relative == pytest.approx(0.5**k, rel=1e-4)


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_half_life_is_that_of_the_gates(kept):
    data = open_problem("recall", 5)
    model = build(data, "lstm@forget_bias=null", 3)
    with torch.no_grad():
        for parameter in model.rnn.parameters():
            parameter.zero_()
        model.rnn.bias_ih_l0[3:6] = math.log(kept / (1 - kept))
    lives = forgetting(model, data)
    assert lives["median"] == pytest.approx(math.log(0.5) / math.log(kept), rel=1e-4)
    with torch.no_grad():
        model.rnn.bias_ih_l0[3:6] = 100.0
    assert forgetting(model, data)["longest"] == LONGEST_HALF_LIFE
    assert forgetting(build(data, "rnn_tanh", 3), data) is None


@pytest.mark.parametrize("window", [1, 3, 9, 12, 40])
@pytest.mark.parametrize("task", ["recall", "copying"])
def test_a_window_changes_the_gradient_only(task, window):
    data = open_problem(task, 7)
    model = build(data, "lstm", 4)
    x, _ = data.draw(3, Generator().manual_seed(0))
    x.requires_grad_()
    answers = trial._answers(model, x, window)
    torch.testing.assert_close(answers, model(x))
    answers[:, -1].sum().backward()
    last = max(0, data.num_steps - window)  # where the last window begins
    assert x.grad[:, :last].abs().sum() == 0
    assert x.grad[:, last:].abs().sum() > 0


def test_what_counts_as_solved():
    assert longest_solved({10: 1.0, 30: 0.96, 100: 0.5, 300: 0.99}) == 30
    assert longest_solved({10: 0.9, 30: 1.0}) is None


def test_the_interval_covers_the_mean_of_as_many_studies_as_it_says():
    draws = np.random.default_rng(1).normal(size=(400, 30))
    covered = np.mean([low <= 0 <= high for low, high in map(interval, draws)])
    assert 0.9 < covered < 0.98


COMMAND = ["study", "memory", "cells=lstm,rnn_tanh", "distances=3,5", "seeds=2", "steps=20", "parameters=300", "jobs=1"]


@pytest.mark.slow
def test_a_study_that_was_interrupted_goes_on(tmp_path, monkeypatch, capsys):
    command = [*COMMAND, "lrs=0.01,0.003", f"output={tmp_path}"]
    real = done.run_all

    def interrupted(work, jobs, workers):
        for number, result in enumerate(real(work, jobs, workers)):
            if number == 3:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr(done, "run_all", interrupted)
    assert main(command) == 130
    ended = json.loads((tmp_path / done.TRIALS).read_text())
    assert len(ended) == 3

    trained = []

    def counted(work, jobs, workers):
        trained.extend(jobs)
        return map(work, jobs)

    monkeypatch.setattr(done, "run_all", counted)
    assert main(command) == 0
    assert len(trained) == 2 * 2 * (2 * 2 + 2) - 3  # cells, distances, seeds and rates to choose by, seeds that count
    assert main(command) == 0
    assert len(trained) == 21
    rows = json.loads((tmp_path / "study.json").read_text())
    assert len(rows) == 8
    for row in rows:
        assert {"task", "cell", "distance", "seed", "accuracy", "parameters", "steps", "lr"} <= row.keys()
        assert row["seed"] in (0, 1)
        assert row["parameters"] <= 300
        assert row["lr"] in (0.01, 0.003)
    with open(tmp_path / "study.csv") as file:
        assert [int(row["distance"]) for row in csv.DictReader(file)] == [row["distance"] for row in rows]
    table = (tmp_path / "study.md").read_text()
    assert "rnn_tanh" in table
    for cell, distance in {(row["cell"], row["distance"]) for row in rows}:
        steps = sorted(row["steps"] for row in rows if (row["cell"], row["distance"]) == (cell, distance))
        (line,) = [line for line in table.partition("steps of training")[2].splitlines() if f"`{cell}`" in line]
        assert all(f"{step:,}" in line for step in steps)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page
    for name in ("study.png", "gradients.png"):
        assert (tmp_path / name).stat().st_size > 5000
    capsys.readouterr()
    assert main([*COMMAND[:-2], "parameters=400", f"output={tmp_path}"]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_the_best_rate_is_that_of_the_higher_score_then_of_fewer_steps():
    def tried(lr: float, score: float, steps: int) -> dict:
        return {"lr": lr, "score": score, "steps": steps}

    assert (
        memory._best_rate([tried(0.1, 0.2, 9), tried(0.1, 0.4, 9), tried(0.01, 0.9, 99), tried(0.01, 0.1, 99)]) == 0.01
    )
    assert memory._best_rate([tried(0.1, 1.0, 99), tried(0.01, 1.0, 9)]) == 0.01


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["cells=lstn"], ["'lstn'", "'lstm'"]),
        (["cells=rnn_tanh@forget_bias=1.0"], ["rnn_tanh", "forget_bias"]),
        (["cells=lstm@chrono=x"], ["chrono=x"]),
        (["cells=lstm@chorno=9"], ["'chorno'", "chrono"]),
        (["cells=lstm,lstm"], ["lstm,lstm"]),
        (["distances=a"], ["distances=a"]),
        (["distances=0"], ["0", "100000"]),
        (["task=kth"], ["'kth'", "recall"]),
        (["seeds=0"], ["seeds=0"]),
        (["lrs=nan"], ["nan"]),
        (["parameters=3"], ["parameters=3"]),
        (["output=there"], ["there"]),
        (["stepps=3"], ["'steps'"]),
    ],
)
def test_a_wrong_word_is_one_line(words, named, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("there").write_text("a file")
    assert main(["study", "memory", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(name in error for name in named)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_damaged_folder_is_named(tmp_path, capsys):
    (tmp_path / done.TRIALS).write_text('{"a": 3}')
    assert main([*COMMAND, f"output={tmp_path}"]) == 2
    assert str(tmp_path / done.TRIALS) in capsys.readouterr().err


def test_an_unknown_study_is_named(capsys):
    assert main(["study", "memmory"]) == 2
    assert "memory" in capsys.readouterr().err


def test_a_study_leaves_another_ones_folder_alone(tmp_path, capsys):
    words = ["cells=rnn_tanh", "distances=2", "seeds=1", "steps=2", "parameters=300", "jobs=1", f"output={tmp_path}"]
    assert main(["study", "truncation", "windows=2", *words]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for other in (["memory", "lrs=0.01", *words], ["tasks", "quick=true", f"output={tmp_path}"]):
        assert main(["study", *other]) == 2
        assert str(tmp_path) in capsys.readouterr().err
    with alone(tmp_path):
        assert main(["study", "truncation", "windows=4", *words]) == 2
        assert str(tmp_path) in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_digits_are_measured_on_images_that_were_not_trained_on():
    pytest.importorskip("sklearn")
    trial = Trial("digits", "lstm", 5, 0, 0.01, 1, hidden_size=4)
    for split, purpose in (("val", "validation"), ("test", "test")):
        x, _ = _sequences(trial, purpose, split, 200)
        own = open_problem("digits", 5, split=split).pixels
        assert torch.cdist(x[:, :64, 0], own).min(dim=1).values.max() == 0
