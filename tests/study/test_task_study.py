"""`lstmzoo study tasks`: what is trained, what is kept of an interrupted study, what is written, what is refused."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from lstmzoo.cli import main
from lstmzoo.config.compose import compose
from lstmzoo.errors import LstmzooError
from lstmzoo.study import task_runs, tasks
from lstmzoo.study.task_measures import conditions
from lstmzoo.study.task_plans import BASELINE, MEAN, PLANS
from lstmzoo.study.task_report import Studied, markdown, write
from lstmzoo.study.task_runs import Job, Outcome, run_job
from lstmzoo.training.ending import Diverged

CONDITIONS = tuple(conditions(4))
LABELS = {"recognition": ["walking", "running"], "segmentation": []}


def job(folder: Path, **changes) -> Job:
    return replace(Job("recognition", "lstm", "lstm", 0, 0.01, (), folder, "test", CONDITIONS), **changes)


def asked(output: Path, **options):
    given = {"budget": None, "distance": None, "lrs": None, "quick": False, "reset_every": 8, **options}
    return tasks._Asked(**given, output=output)


# -- Fair -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wanted", "size"), [(1, 1), (109, 10), (121, 11), (10**9, 80)])
def test_the_nearest_size_is_found(wanted, size):
    assert tasks._matching_size(lambda units: units**2, wanted, near=10) == size


def test_models_of_a_task_have_as_many_parameters(tmp_path):
    study = asked(tmp_path)
    study.labels["recognition"] = LABELS["recognition"]
    counts = {
        model: tasks._counter(study.without_size("recognition", model), LABELS["recognition"])(
            study.size("recognition", model)
        )
        for model in (BASELINE, "rnn_tanh", "lstm")
    }
    assert max(counts.values()) < 1.02 * min(counts.values()), counts
    assert study.size("recognition", "lstm") == PLANS["recognition"].hidden_size


@pytest.mark.parametrize("task", PLANS)
def test_a_model_takes_options(task, tmp_path):
    study = asked(tmp_path)
    plain, special = (compose("train", study.without_size(task, model)) for model in ("lstm", "lstm@forget_bias=1.0"))
    assert special.model.forget_bias == 1.0 != plain.model.forget_bias
    assert dict(special.model, forget_bias=None) == dict(plain.model, forget_bias=None)
    study._sizes[task, "lstm@forget_bias=1.0"] = 8
    assert study.job(task, "lstm@forget_bias=1.0", 0, 0.1).cell == "lstm"


@pytest.mark.parametrize("task", PLANS)
def test_models_of_a_task_differ_in_their_memory_only(task, tmp_path):
    study, size = asked(tmp_path), {"model.hidden_size"}
    configs = {model: compose("train", study.without_size(task, model)) for model in ("lstm", "gru", BASELINE)}
    for part in ("data", "task", "optimizer", "scheduler"):
        assert configs["lstm"][part] == configs["gru"][part] == configs[BASELINE][part]
    differing = {f"model.{key}" for key, value in configs["lstm"].model.items() if configs["gru"].model[key] != value}
    assert differing - size == {"model.cell"}
    jobs = [study.job("segmentation", "lstm", seed, 0.1) for seed in (0, tasks.TUNING_SEED)]
    assert [(one.split, len(one.conditions)) for one in jobs] == [("test", 4), ("val", 1)]


def test_the_best_rate_is_the_first_of_the_highest_scores(tmp_path):
    tried = [job(tmp_path, lr=lr, conditions=CONDITIONS[:1]) for lr in (0.1, 0.01, 0.001, 0.0001)]
    scores: list[list[float] | None] = [None, [0.5, 1.0], [1.0, 0.5], [0.0, 0.0]]
    outcomes = [Outcome(1, {} if one is None else {CONDITIONS[0].name: one}, one is None) for one in scores]
    assert tasks._best(tried, outcomes) == {("recognition", "lstm"): 0.01}


# -- Interrupted ------------------------------------------------------------------------------------------------------


def test_no_run_is_done_twice(tmp_path, monkeypatch):
    done = []

    def work(one: Job) -> Outcome:
        done.append(one)
        return Outcome(7, {condition.name: [1.0, 0.0] for condition in one.conditions})

    monkeypatch.setattr(task_runs, "_train_and_measure", work)
    first = job(tmp_path / "run")
    assert run_job(first) == run_job(first)
    assert len(done) == 1
    run_job(replace(first, conditions=tuple(conditions(5))))  # trained, but not measured so
    assert len(done) == 2
    (first.folder / task_runs.RESULT).write_text("{")
    run_job(first)
    assert len(done) == 3


def test_a_run_that_diverges_is_a_result_and_one_that_fails_is_not(tmp_path, monkeypatch):
    def fail(error: Exception):
        def work(one: Job) -> Outcome:
            raise error

        return work

    monkeypatch.setattr(task_runs, "_train_and_measure", fail(LstmzooError("no room")))
    with pytest.raises(LstmzooError, match=r"run: no room"):
        run_job(job(tmp_path / "run"))
    monkeypatch.setattr(task_runs, "_train_and_measure", fail(Diverged("step 3")))
    assert run_job(job(tmp_path / "run"))[1].diverged
    monkeypatch.setattr(task_runs, "_train_and_measure", fail(AssertionError("again")))
    assert run_job(job(tmp_path / "run"))[1].diverged


@pytest.mark.parametrize("options", [{"distance": 5}, {"budget": 3}, {"lrs": (0.1,)}, {"quick": True}])
def test_another_study_in_the_folder_is_refused(options, tmp_path):
    tasks._claim(["recognition"], asked(tmp_path))
    tasks._claim(["recognition"], asked(tmp_path, reset_every=3))  # a matter of measuring
    tasks._claim(["segmentation"], asked(tmp_path, **options))
    (name,) = options
    with pytest.raises(LstmzooError, match=f"recognition.*{name}=.*output"):
        tasks._claim(["recognition"], asked(tmp_path, **options))


def test_an_option_that_a_cell_has_no_gate_for_is_refused(tmp_path, capsys):
    for option in ("forget_bias=1.0", "chrono=20"):
        words = [f"models=rnn_tanh@{option}", "task=recognition", "quick=true", f"output={tmp_path / 'study'}"]
        assert main(["study", "tasks", *words]) == 2
        message = capsys.readouterr().err
        assert "rnn_tanh" in message
        assert option.partition("=")[0] in message
    assert not (tmp_path / "study").exists()


# -- Written ----------------------------------------------------------------------------------------------------------


def made_up() -> list[Studied]:
    names = [one.name for one in CONDITIONS]

    def run(model: str, seed: int, scores: list[list[float] | None]) -> tuple[Job, Outcome]:
        cell = None if model == BASELINE else model
        return job(Path(), model=model, cell=cell, seed=seed), Outcome(10, dict(zip(names, scores, strict=True)))

    runs = [
        run(BASELINE, 0, [[0.0, 1.0], [0.0, 1.0], [1.0, 1.0], None]),
        run(BASELINE, 1, [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], None]),
        run("lstm", 0, [[1.0, 1.0]] * 4),
        run("lstm", 1, [[1.0, 1.0]] * 4),
        run("gru", 0, [[1.0, 1.0]] * 4),
        (job(Path(), model="gru", cell="gru", seed=1), Outcome(10, {}, diverged=True)),
    ]
    return [Studied("recognition", 3, 9, runs)]


def test_the_table_has_means_and_intervals():
    rows = [line.split(" | ") for line in markdown(made_up()).splitlines() if line.startswith("| ")]
    assert [row[0] for row in rows[1:]] == [f"| {BASELINE}", "| lstm", "| gru"]
    assert [re.split(r"[ (]", text)[0] for text in rows[1][1:5]] == ["25.0", "50.0", "100.0", "–"]
    assert rows[2][1] == "100.0 (100–100)"
    assert rows[3][1:5] == ["diverged"] * 4


def test_files_say_the_same(tmp_path):
    names = write(made_up(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*names}
    found = json.loads((tmp_path / "study.json").read_text())
    assert len(found) == 6 * 4
    assert {"task", "cell", "distance", "seed", "parameters", "steps", "lr"} <= found[0].keys()
    assert [row["score"] for row in found[:4]] == [0.5, 0.5, 1.0, None]
    with open(tmp_path / "study.csv") as file:
        assert [row["score"] for row in csv.DictReader(file)][:4] == ["0.5", "0.5", "1.0", ""]
    assert (tmp_path / "study.png").stat().st_size > 5000


# -- The command ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["task=kth"], ["'kth'", "recognition", "captioning", "segmentation", "all"]),
        (["models=lstn"], ["'lstn'", "'lstm'"]),
        (["models=lstm,lstm"], ["lstm,lstm"]),
        (["task=captioning", f"models={MEAN}"], [MEAN, "recognition"]),
        (["models=my_module:MyCell"], ["my_module"]),
        (["models=lstm@forget_bais=1"], ["forget_bais", "forget_bias"]),
        (["models=lstm@forget_bias=much"], ["forget_bias", "much"]),
        ([f"models={MEAN}@forget_bias=1"], [MEAN, "lstm"]),
        (["seeds=0"], ["seeds=0"]),
        (["budget=0"], ["budget=0"]),
        (["distance=-1"], ["distance=-1"]),
        (["distance=x"], ["distance=x"]),
        (["distance=1000000"], ["distance=1000000", "1000"]),
        (["reset_every=0"], ["reset_every=0"]),
        (["lrs=nan"], ["nan"]),
        (["jobs=0"], ["jobs=0"]),
        (["output=there"], ["there"]),
        (["modles=lstm"], ["'models'"]),
    ],
)
def test_a_wrong_word_is_one_line(words, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("there").write_text("a file")
    assert main(["study", "tasks", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 + ("\nValid in" in error)
    assert all(name in error for name in named)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_broken_folder_is_named(tmp_path, capsys):
    (tmp_path / tasks.SETTINGS).write_text("[")
    assert main(["study", "tasks", "task=segmentation", f"output={tmp_path}"]) == 2
    assert str(tmp_path / tasks.SETTINGS) in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("task", PLANS)
def test_quick(task, tmp_path, monkeypatch):
    """Two models, interrupted after the first; then it goes on."""
    monkeypatch.setattr(tasks, "run_all", lambda work, jobs, workers: map(work, jobs))
    command = ["study", "tasks", "quick=true", "budget=2", f"task={task}", f"models={BASELINE},lstm"]
    command += ["reset_every=3", f"output={tmp_path}"]
    real, trained = task_runs.train, []

    def train(config, folder, resume):
        trained.append(folder.parent.name)
        if trained == [BASELINE, "lstm"]:
            raise KeyboardInterrupt
        return real(config, folder, resume)

    monkeypatch.setattr(task_runs, "train", train)
    assert main(command) == 130
    assert main(command) == 0
    assert main(command) == 0
    assert trained == [BASELINE, "lstm", "lstm"]
    rows = json.loads((tmp_path / "study.json").read_text())
    assert {(row["model"], row["steps"], row["seed"]) for row in rows} == {(BASELINE, 2, 0), ("lstm", 2, 0)}
    scores = {(row["model"], row["condition"]): row["score"] for row in rows}
    assert len(scores) == 8
    assert scores[BASELINE, "f = 0"] is None
    assert all(0 <= score <= 1 for key, score in scores.items() if key != (BASELINE, "f = 0"))
    if task != "segmentation":  # the test of the task itself finds the same
        run = tmp_path / task / "lstm" / "seed_0"
        assert main(["eval", f"ckpt_path={run / 'checkpoints' / 'last.ckpt'}", f"output={tmp_path / 'eval'}"]) == 0
        measured = json.loads((tmp_path / "eval" / "metrics.json").read_text())
        found = measured["agreement"] if task == "captioning" else measured["subsets"]["gaits"]
        assert found == pytest.approx(scores["lstm", "as is"])
    assert task == "captioning" or scores[BASELINE, "as is"] == scores[BASELINE, "shuffled"]
