"""`lstmzoo study truncation`: every cell, distance and window, and the map of them."""

import json

import pytest

from lstmzoo.cli import main
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
