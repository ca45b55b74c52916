"""Configurations: every choice composes and builds; every mistake gets a message that names the remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from lstmzoo.cli import main
from lstmzoo.config.compose import compose, override_stored
from lstmzoo.config.groups import config_dir, groups
from lstmzoo.config.overrides import parse
from lstmzoo.errors import LstmzooError
from lstmzoo.registry import datasets, tasks
from lstmzoo.runs import build
from lstmzoo.runs.run_folder import read_config
from lstmzoo.runs.sweep import compose_sweep
from lstmzoo.segmentation.data.label_folder import LabelFolder
from lstmzoo.training.callbacks import Timing

CHOICES = [(group, choice) for group, choices in groups().items() for choice in choices]
NEW_PACKAGES = {"mlflow", "tensorboard", "wandb"}
"""Loggers of packages that need not be here."""


def train_config(*overrides: str) -> DictConfig:
    """The configuration of training, with a data root where one must be given."""
    config = compose("train", list(overrides), complete=False)
    missing = OmegaConf.missing_keys(config)
    return compose("train", [*overrides, *(f"{key}=somewhere" for key in missing)]) if missing else config


@pytest.mark.slow
@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes_and_builds(group: str, choice: str, tmp_path: Path) -> None:
    more = ["task.start_from=null"] if choice == "captions_scst" else []
    more += (
        ["task.protocol=semantic"] if group == "data" and issubclass(datasets.get(choice).target, LabelFolder) else []
    )
    config = train_config(f"{group}={choice}", "trainer.accelerator=cpu", "trainer.precision=32-true", *more)
    assert group == "experiment" or config[group].get("name", choice) == choice
    if choice == "captions_scst":
        config.task.objective = "cross_entropy"
    if "encoder_lr" in config.task:
        config.task.encoder_lr = 1e-3  # else a small encoder is refused, which nothing has trained
    target = tasks.get(config.task.name).target
    task = build.build_task(config, target.dummy_labels)
    assert type(task) is target
    assert task.model.model_name == config.model.name
    data = target.open_data(build.to_dict(config), simulate=True)
    assert type(data) is target.data_module
    if choice not in NEW_PACKAGES:
        trainer = build.build_trainer(config, tmp_path, task, has_validation=True, results=Timing())
        assert trainer.max_epochs == config.trainer.max_epochs


@pytest.mark.parametrize("name", tasks.names())
def test_a_task_alone_is_enough(name: str) -> None:
    """Model, data and run folder follow; a model or data set of another task than the default one brings its task."""
    config, target = train_config(f"task={name}"), tasks.get(name).target
    assert (config.model.name, config.data.name) == (target.default_model, target.default_data)
    by_data = train_config(f"data={target.default_data}")
    by_model = train_config(f"model={target.default_model}")
    assert by_data.task.name == by_model.task.name == name


def test_model_data_and_task_go_together() -> None:
    for overrides, said in [
        (["task=captioning", "data=davis", "data.root=x"], "data=davis.*task=segmentation.*task=captioning.*flickr8k"),
        (["task=captioning", "model=segment_guided"], "model=segment_guided.*task=captioning.*caption_nic"),
    ]:
        with pytest.raises(LstmzooError, match=said):
            compose("train", overrides)


def test_every_file_says_what_it_is() -> None:
    for path in config_dir().rglob("*.yaml"):
        assert path.read_text(encoding="utf-8").lstrip().startswith("#"), f"{path} does not say what it is"


@pytest.mark.slow
def test_command_line_choice_wins_over_the_experiment() -> None:
    config = train_config("experiment=kth_lstm", "data=kth", "model=action_meanpool", "task.lr=1e-4")
    assert (config.data.name, config.model.name, config.task.lr) == ("kth", "action_meanpool", 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.hiden_size=3", ["model.hidden_size", "Valid in 'model'", "num_layers"]),
        ("hidden_size=3", ["model.hidden_size", "Valid at the top", "seed", "experiment"]),
        ("modle=action_rnn", ["'modle'", "did you mean model"]),
        ("model.cell.size=3", ["'model.cell.size'", "Valid in 'model'"]),
        ("model=foo", ["model", "'foo'", "action_rnn", "action_framewise"]),
        ("experiment=kth_lstn", ["'kth_lstm'"]),
        ("task=null", ["task", "null", "recognition"]),
        ("task.lr=abc", ["task.lr", "a number", "'abc'"]),
        ("trainer.max_epochs=1.5", ["trainer.max_epochs", "whole", "1.5"]),
        ("data.size=64", ["data.size", "[64,64]"]),
        ("trainer.deterministic=1", ["trainer.deterministic", "true or false"]),
        ("trainer.gradient_clip_val=1.0", ["task.gradient_clip_val=1.0"]),
        ("model.cell", ["'model.cell'", "key=value"]),
        ("data.batch_size=[1,2", ["data.batch_size=[1,2", "key=value"]),
        ("model.cell=lstm,gru", ["model.cell=lstm,gru", "-m"]),
        ("data=video_folder", ["data.root", "lstmzoo train data.root="]),
    ],
)
def test_mistakes_are_explained(override: str, said: list[str]) -> None:
    with pytest.raises(LstmzooError) as error:
        compose("train", [override])
    for part in said:
        assert part in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/my data/kth (1)", "runs/a=b,c", r"C:\videos\it's", "~/kth", "/data/a,b", "glob(*)"])
def test_paths_may_hold_any_character(path: str) -> None:
    assert compose("train", [f"data.root={path}"]).data.root == path
    assert override_stored(train_config(), [f"data.root={path}"], "a run").data.root == path


def test_commas_part_paths_in_sweeps_only() -> None:
    (several,) = parse(["data.root=/data/a,b"], sweep=True)
    assert [*several.sweep_string_iterator()] == ["/data/a", "b"]
    with pytest.raises(LstmzooError, match=r"seed=1,2.*-m"):
        compose("train", ["seed=1,2"])


@pytest.mark.parametrize(
    ("override", "named"),
    [("task.lr=${eval:1}", "task.lr"), ("seed=${nothere}", "nothere"), ("hydra/launcher=joblib", "Valid: basic")],
)
def test_what_hydra_refuses_is_said_in_one_line(override: str, named: str) -> None:
    with pytest.raises(LstmzooError, match=named) as caught:
        compose("train", [override])
    assert "\n" not in str(caught.value)
    assert "object_type" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"seed: \xff", b"seed: " + b"9" * 5000, b"seed: [", b"[" * 5000, b""])
def test_broken_configurations_of_runs_are_explained_in_plain_words(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(LstmzooError, match=r"config\.yaml") as caught:
        read_config(tmp_path)
    assert not re.search(r"\n|codec|sys\.|recursion", str(caught.value))


def test_numbers_may_be_whole_where_shares_are_expected() -> None:
    config = train_config("trainer.limit_val_batches=1", "trainer.devices=[0,1]", "task.tbptt_window=8")
    assert config.trainer.limit_val_batches == 1
    assert isinstance(config.trainer.limit_val_batches, int)
    assert config.trainer.devices == [0, 1]
    assert config.task.tbptt_window == 8


@pytest.mark.slow
def test_the_mistakes_of_a_sweep_show_before_it_starts() -> None:
    compose_sweep("train", ["seed=range(2)"])
    with pytest.raises(LstmzooError, match=r"model 'foo'.*action_rnn"):
        compose_sweep("train", ["model=action_rnn,foo"])
    with pytest.raises(LstmzooError, match=r"seed.*two"):
        compose_sweep("train", ["model=action_rnn", "seed=1,two"])


def test_stored_configurations_take_keys_but_no_groups() -> None:
    stored = train_config()
    changed = override_stored(stored, ["data.root=elsewhere", "trainer.max_epochs=7"], "resume=run")
    assert (changed.data.root, changed.trainer.max_epochs) == ("elsewhere", 7)
    assert override_stored(stored, ["+trainer.profiler=simple"], "resume=run").trainer.profiler == "simple"
    assert stored.data.root == "data/kth_simulated"
    assert override_stored(stored, ["data.name=kth_simulated"], "resume=run") == stored
    for override, said in [
        ("model=action_meanpool", "model=action_meanpool.*resume=run"),
        ("experiment=kth_long", "experiment=kth_long.*resume=run"),
        ("data.name=kth", "data.name=kth.*data=kth"),
        ("model.name=action_meanpool", "model.name=action_meanpool.*action_rnn"),
        ("task.name=captioning", "task.name=captioning.*recognition"),
        ("data.rot=x", r"data\.root"),
        ("trainer.max_epochs=many", "trainer.max_epochs.*many"),
        ("+data.more=1", "data.more=1.*key=value"),
        ("+trainer.limit_test_batches=1", "trainer.limit_test_batches.*drop"),
        ("++trainer.limit_test_batches=1", "trainer.limit_test_batches.*drop"),
        ("~data.root", "data.root.*key=value"),
        ("seed=1,2", "seed=1,2.*key=value"),
    ]:
        with pytest.raises(LstmzooError, match=said):
            override_stored(stored, [override], "resume=run")


def test_wrong_values_of_the_task_are_explained() -> None:
    for override, said in [
        ("task.lr=0", "task.lr.* 0"),
        ("task.tbptt_window=0", "task.tbptt_window.*null.* 0"),
        ("task.label_smoothing=1", "task.label_smoothing.*0..1"),
        ("model.cell=lstn", "'lstm'"),
        ("data.size=[8,8]", r"data.size=\[8, 8\]"),
        ("task.name=foo", "task.*'foo'"),
    ]:
        with pytest.raises(LstmzooError, match=said):
            build.build_task(train_config(override), ["hop", "skip"])


@pytest.mark.slow
def test_wrong_values_of_the_trainer_are_explained(tmp_path: Path) -> None:
    task = build.build_task(train_config(), ["hop", "skip"])
    for override, said in (
        ("trainer.accelerator=abacus", "abacus"),
        ("trainer.precision=7", "(?i)precision.*7"),
        ("+trainer.max_epoch=1", "'max_epochs'"),
        ("+trainer.callbacks=[]", "trainer.callbacks"),
    ):
        with pytest.raises(LstmzooError, match=said):
            build.build_trainer(train_config(override), tmp_path, task, True, Timing())


def test_resolved_configurations_are_plain(tmp_path: Path) -> None:
    config = train_config()
    build.absolute_paths(config)
    assert Path(config.data.root).is_absolute()
    OmegaConf.save(config, tmp_path / "config.yaml", resolve=True)
    assert OmegaConf.load(tmp_path / "config.yaml") == config


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("~data", "'data'"),
        ("~seed", "~seed.*null"),
        ("+x=1", "(?s)'x'.*seed"),
        ("+data.rooot=x", r"data\.root"),
        ("+task.lrr=1", r"task\.lr\b"),
        ("++model.sell=gru", r"model\.cell"),
        ("hydra=null", "'hydra'"),
        ("+optimizer=adam", r"'\+optimizer=adam'"),
    ],
)
def test_keys_are_neither_added_nor_taken_away(override: str, message: str) -> None:
    with pytest.raises(LstmzooError, match=message):
        compose("train", [override])


@pytest.mark.slow
@pytest.mark.parametrize(
    "override",
    [
        *("task.lr=${eval:1}", "seed=${nope:1}", "task.lr=${task.nosuch}", "seed=${seed}", "hydra/launcher=nosuch"),
        *("data=null", "hydra.run=null", "hydra.nosuch=1", f"seed={'1' * 5001}", f"model.cell={'1' * 5001}"),
    ],
)
def test_what_hydra_cannot_read_is_one_message(override: str) -> None:
    with pytest.raises(LstmzooError) as error:
        compose("train", [override])
    assert len(str(error.value)) < 1000


def test_arguments_of_the_trainer_that_are_not_listed_can_be_added() -> None:
    assert compose("train", ["+trainer.fast_dev_run=true"]).trainer.fast_dev_run is True


@pytest.fixture
def own_configs(tmp_path: Path) -> Path:
    """A folder with an experiment and a data set of one's own."""
    for name, text in (
        (
            "experiment/mine.yaml",
            "# @package _global_\ndefaults:\n  - override /data: mine\ntrainer:\n  max_epochs: 3\n",
        ),
        ("data/mine.yaml", "defaults:\n  - kth\n\nroot: my kth\n"),
    ):
        path = tmp_path / "it's mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "it's mine"


def test_files_of_a_folder_that_is_named_are_choices(own_configs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched = f'hydra.searchpath=["file://{own_configs}"]'
    config = compose("train", [searched, "experiment=mine", "task.lr=1e-4"])
    assert (config.data.root, config.data.clip_len, config.trainer.max_epochs) == ("my kth", 16, 3)
    with pytest.raises(LstmzooError, match=r"'mime'.*'mine'"):
        compose("train", [searched, "experiment=mime"])
    with pytest.raises(LstmzooError, match="/nowhere"):
        compose("train", ["hydra.searchpath=[/nowhere]"])
    assert (
        main(["train", "--config-dir", str(own_configs), "experiment=mine", "--cfg", "job"]) == 2
    )  # the data are not there
    found = capsys.readouterr()
    assert "root: my kth" in found.out
    assert "my kth" in found.err
    assert main(["train", "--config-dir", str(own_configs), "experiment=mine", "data.rooot=x"]) == 2
    assert "data.root" in capsys.readouterr().err


def test_a_folder_configs_in_the_working_directory_is_searched(
    own_configs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own_configs.rename(own_configs.parent / "configs")
    monkeypatch.chdir(own_configs.parent)
    assert compose("train", ["experiment=mine"]).data.root == "my kth"
    assert main(["train", "experiment=mine", "--cfg", "job"]) == 2  # the data are not there
    assert "root: my kth" in capsys.readouterr().out
    assert main(["list", "experiments", "mine"]) == 0
    assert capsys.readouterr().out.split()[0] == "mine"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("sead: 3", ("sead", "seed")),
        ("foo: {bar: 1}", ("foo", "callbacks")),
        ("seed: first", ("seed", "first")),
        ("seed: null", ("seed", "None")),
        ("resume: latest", ("resume", "latest", "command line")),
        ("trainer: null", ("trainer",)),
        ("logger: null", ("logger",)),
        ("callbacks: {progress: {a: 1}}", ("callbacks.progress", "lines")),
        ("test_after_fit: 3", ("test_after_fit", "3")),
        ("trainer: {max_epochs: abc}", ("trainer.max_epochs", "abc")),
        ("trainer: {deterministic: 7}", ("trainer.deterministic", "7")),
        ("callbacks: {patience: abc}", ("callbacks.patience", "abc")),
        ("callbacks: {progress: foo}", ("callbacks.progress", "foo", "lines")),
        ("model: {hidden_size: abc}", ("hidden_size", "abc")),
        ("model: {hiden_size: 3}", ("hiden_size",)),
        ("data: {clip_len: long}", ("clip_len", "long")),
        ("task: {lr: fast}", ("lr", "fast")),
    ],
)
def test_mistakes_in_an_experiment_of_your_own_are_named(
    lines: str, said: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on the command line; a seed that is misspelt must not train with another one."""
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\ndefaults: [quick]\n{lines}\n")
    for more in ([], ["--cfg", "job"]):
        assert main(["train", "--config-dir", str(tmp_path), "experiment=mine", *more]) == 2
        message = capsys.readouterr().err
        assert all(word in message for word in said), message
        assert "Traceback" not in message


def test_progress_is_one_of_three_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "experiment=quick", "callbacks.progress=foo"]) == 2
    message = capsys.readouterr().err
    assert all(word in message for word in ("callbacks.progress", "auto", "lines", "none"))
