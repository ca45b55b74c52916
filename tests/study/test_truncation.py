"""`lstmzoo study truncation`: every cell, distance and window, and the map of them."""

import json

import pytest
import torch

from lstmzoo.cli import main
from lstmzoo.study.trial import _answers, build, open_problem
from lstmzoo.study.truncation import draw, markdown


def found(score):
    return [
        {"cell": cell, "distance": D, "window": w, "score": score(D, w)}
        for cell in ("lstm", "rnn_tanh")
        for D in (5, 20)
        for w in (4, 16)
        for _ in range(2)
    ]


def test_the_table_has_a_row_per_window(tmp_path):
    rows = found(lambda D, w: 1.0 if w > D else 0.25)
    text = markdown(rows)
    assert "| 4 | 0.25 | 0.25 |" in text
    assert "| 16 | 1.00 | 0.25 |" in text
    assert text.count("| window | D = 5 | D = 20 |") == 2
    assert draw(rows, tmp_path / "map.png").stat().st_size > 5000


@pytest.mark.slow
def test_a_study(tmp_path):
    words = ["cells=rnn_tanh", "distances=2,4", "windows=1,8", "seeds=1", "steps=20", "parameters=300", "jobs=1"]
    assert main(["study", "truncation", *words, f"output={tmp_path}"]) == 0
    rows = json.loads((tmp_path / "study.json").read_text())
    assert [(row["distance"], row["window"]) for row in rows] == [(2, 1), (2, 8), (4, 1), (4, 8)]


@pytest.mark.parametrize(
    ("words", "named"),
    [("windows=0", "windows=0"), ("cells=lstn", "'lstm'"), ("distances=3,3", "3,3"), ("lr=-1", "-1")],
)
def test_a_wrong_word_is_one_line(words, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["study", "truncation", words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert named in error


@pytest.mark.parametrize(("steps", "window"), [(7, 4), (22, 8), (22, 16), (22, 21), (22, 22), (22, 64), (5, 1)])
def test_the_last_window_of_steps_has_a_gradient_and_the_answers_are_those_of_all_steps(steps, window):
    data = open_problem("recall", steps - 2)
    model = build(data, "lstm", 8)
    x, _ = data.draw(4, torch.Generator().manual_seed(0))
    x.requires_grad_()
    answers = _answers(model, x, window)
    answers.sum().backward()
    assert (x.grad.abs().sum((0, 2)) > 0).tolist() == [step >= steps - window for step in range(steps)]
    torch.testing.assert_close(answers, model(x))
