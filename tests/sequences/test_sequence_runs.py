"""The commands on sequences: train, eval, predict, inspect; and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

import lstmzoo
from lstmzoo.cli import main
from lstmzoo.sequences.data.recall import Recall
from lstmzoo.sequences.results import wilson

SMALL = ["model.hidden_size=8", "trainer.accelerator=cpu", "data.epoch_size=64", "data.test_size=20"]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "recall"
    words = ["data=recall", "data.distance=3", "task.tbptt_window=2", "trainer.max_epochs=1", *SMALL]
    assert main(["train", *words, f"output={folder}"]) == 0
    return folder


def test_a_test_says_what_chance_would_have_been(trained):
    numbers = json.loads((trained / "eval_test" / "metrics.json").read_text())
    assert numbers["chance"] == 0.25
    assert numbers["score"] == pytest.approx((numbers["accuracy"] - 0.25) / 0.75)
    low, high = numbers["accuracy_interval"]
    assert low <= numbers["accuracy"] <= high
    answers = rows(trained / "eval_test" / "predictions.csv")
    assert len(answers) == numbers["num_sequences"] == 20
    assert sum(int(row["right"]) for row in answers) / 20 == pytest.approx(numbers["accuracy"])
    assert all((row["answer"] == row["target"]) == (row["right"] == "1") for row in answers)
    assert [row["target"] for row in answers] == [
        f"s{int(item['target']) + 1}" for item in map(Recall("test", distance=3, test_size=20).__getitem__, range(20))
    ]


def test_another_distance_can_be_evaluated(trained, tmp_path):
    assert main(["eval", f"ckpt_path={trained}", "data.distance=7", f"output={tmp_path / 'far'}"]) == 0
    assert json.loads((tmp_path / "far" / "metrics.json").read_text())["distance"] == 7


def test_files_are_predicted_as_the_model_answers(trained, tmp_path, capsys):
    folder = tmp_path / "sequences"
    folder.mkdir()
    (folder / "names.csv").write_text("symbol\ns2\nn1\nn4\nn4\n?\n")
    x = Recall("test", distance=3)[0]["x"]
    (folder / "numbers.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in x.tolist()))
    (folder / "wrong.csv").write_text("s2\ns9\n")
    with pytest.raises(SystemExit) as ended:
        main(["predict", f"ckpt_path={trained}", f"input={folder}", f"output={tmp_path}"])
    assert ended.value.code == 1
    names, numbers, wrong = rows(tmp_path / "predictions.csv")
    model = lstmzoo.load(trained)
    said = Recall.one_hot(Recall(distance=3), torch.tensor([[1, 4, 7, 7, 8]]))
    for row, given in ((names, said), (numbers, x[None])):
        p = model(given)[0, 0].softmax(0)
        assert row["step"] == "5"
        assert row["answer"] == model.classes[int(p.argmax())]
        assert [float(row[f"p_{name}"]) for name in model.classes] == pytest.approx(p.tolist(), abs=1e-3)
    assert all(part in wrong["error"] for part in ("line 2", "s9", "s4"))


def test_gates_are_drawn_of_files_and_of_the_split(trained, tmp_path):
    file = tmp_path / "one.csv"
    file.write_text("s2\nn1\n?\n")
    assert main(["inspect", f"ckpt_path={trained}", f"input={file}", f"output={tmp_path / 'file'}"]) == 0
    assert main(["inspect", f"ckpt_path={trained}", "sequence=4", f"output={tmp_path / 'split'}"]) == 0
    for folder in ("file", "split"):
        assert (tmp_path / folder / "gates.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "split" / "metrics.json").exists()


@pytest.mark.parametrize(
    "content", ["", "s2\nnan,0,0,0,0,0,0,0,0\n", "s2\n1,2\n", "s2\n1e99,0,0,0,0,0,0,0,0\n", "a\nb\n"]
)
def test_a_file_that_holds_no_sequence_is_one_message(trained, tmp_path, capsys, content):
    file = tmp_path / "bad.csv"
    file.write_text(content)
    for command in ("predict", "inspect"):
        capsys.readouterr()
        assert main([command, f"ckpt_path={trained}", f"input={file}", f"output={tmp_path / 'out'}"]) == 2
        message = capsys.readouterr().err
        assert len(message.splitlines()) == 1
        assert "bad.csv" in message


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["data.distance=0"], ["0", "1 to"]),
        (["data=adding", "data.distance=1"], ["1", "2 to"]),
        (["data.distance=100000", "data.batch_size=4096"], ["4096", "100002"]),
        (["data=kth", "data.root=x", "task=sequence"], ["kth", "recall"]),
        (["model=action_rnn", "data=recall"], ["action_rnn", "sequence_rnn"]),
    ],
)
def test_settings_that_do_not_go_together_are_one_message(words, named, tmp_path, capsys):
    data = [] if any(word.startswith("data=") for word in words) else ["data=recall"]
    assert main(["train", *data, *words, f"output={tmp_path / 'run'}"]) == 2
    message = capsys.readouterr().err
    assert len(message.splitlines()) == 1
    assert all(part in message for part in named)


def test_no_such_sequence_or_input_is_named(trained, tmp_path, capsys):
    assert main(["inspect", f"ckpt_path={trained}", "sequence=20"]) == 2
    assert main(["predict", f"ckpt_path={trained}", f"input={tmp_path / 'nowhere'}", f"output={tmp_path}"]) == 2
    message = capsys.readouterr().err
    assert "0 to 19" in message
    assert "nowhere" in message


@pytest.mark.slow
@pytest.mark.parametrize("words", [["data=adding", "data.distance=5"], ["data=digits"]])
def test_a_regression_and_real_data_run_too(words, tmp_path):
    small = SMALL[:2] if "digits" in words[0] else SMALL
    limits = ["trainer.limit_train_batches=2", "trainer.max_epochs=1"]
    assert main(["train", *words, *small, *limits, "model=sequence_meanpool", f"output={tmp_path / 'run'}"]) == 0
    numbers = json.loads((tmp_path / "run" / "eval_test" / "metrics.json").read_text())
    assert ("mse" in numbers) == (words[0] == "data=adding")
    assert main(["inspect", f"ckpt_path={tmp_path / 'run'}", f"output={tmp_path / 'inside'}"]) == 0


@pytest.mark.parametrize(("right", "count"), [(0, 10), (7, 10), (50, 50), (333, 1000)])
def test_the_interval_is_that_of_scipy(right, count):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson(right / count, count) == pytest.approx((expected.low, expected.high), abs=1e-6)
