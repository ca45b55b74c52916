"""Configurations: every file composes and builds; every mistake gets a message that names the remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from lstmzoo.cli import build, main
from lstmzoo.config.compose import compose, override_stored, parse
from lstmzoo.config.groups import config_dir, groups
from lstmzoo.errors import LstmzooError
from lstmzoo.models import list_models
from lstmzoo.runs.folder import read_config
from lstmzoo.runs.sweep import compose_sweep
from lstmzoo.training.callbacks import Timing

CHOICES = [(group, choice) for group, choices in groups().items() for choice in choices]
CLASSES = ["hop", "skip", "jump"]
VOCABULARY = {"specials": ["<pad>", "<bos>", "<eos>", "<unk>"], "words": ["dog", "runs"]}
ABOUT_SEGMENTATION = {"segmentation", "davis", "davis_simulated", "mask_folder", *list_models("segment_*")}
ABOUT_CAPTIONS = {"captioning", "captions", "captions_simulated", "flickr8k", *list_models()} - (
    set(list_models("action*")) | ABOUT_SEGMENTATION
)
LABELS = {"recognition": CLASSES, "captioning": VOCABULARY, "segmentation": []}


def train_config(*overrides: str) -> DictConfig:
    """The configuration of training, with a data root where one must be given."""
    needs_root = any(override.endswith(("_folder", "data=captions")) for override in overrides)
    return compose("train", [*overrides, "data.root=somewhere"] if needs_root else list(overrides))


def base_of(group: str, choice: str) -> list[str]:
    """The experiment that a choice of one group goes with."""
    if group != "experiment" and choice in ABOUT_SEGMENTATION:
        return ["experiment=segment_recurrent"]
    file = config_dir() / "experiment" / f"{choice}.yaml"
    captions = "captions" in file.read_text() if group == "experiment" else choice in ABOUT_CAPTIONS
    start = (
        ["task.start_from=null", "task.objective=cross_entropy", "task.encoder_lr=1e-3"]
        if choice == "captions_scst"
        else []
    )
    return [*(["experiment=captions_nic"] if captions and group != "experiment" else []), *start]


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes_and_builds(group: str, choice: str, tmp_path: Path) -> None:
    settings = ["trainer.accelerator=cpu", "trainer.precision=32-true", *base_of(group, choice)]
    config = train_config(f"{group}={choice}", *settings)
    task = build.build_task(config, LABELS[config.task.name])
    sizes = {key: task.model.model_args.get(key) for key in ("num_classes", "vocab_size")}
    assert sizes == {
        "num_classes": 3 if config.task.name == "recognition" else None,
        "vocab_size": 6 if config.task.name == "captioning" else None,
    }
    assert build.build_datamodule(config, simulate=True).source == config.data.name
    trainer = build.build_trainer(config, tmp_path, task, has_validation=True, results=Timing())
    assert trainer.max_epochs == config.trainer.max_epochs


def test_every_main_config_composes() -> None:
    required = {"eval": ["ckpt_path=x"]}
    for path in config_dir().glob("*.yaml"):
        if path.stem in ("train", "eval"):
            assert compose(path.stem, required.get(path.stem, []))


def test_no_config_names_code_to_run() -> None:
    assert not [path for path in config_dir().rglob("*.yaml") if "_target_" in path.read_text(encoding="utf-8")]


def test_every_key_is_explained_where_it_is_set() -> None:
    for path in config_dir().rglob("*.yaml"):
        assert path.read_text(encoding="utf-8").lstrip().startswith("#"), f"{path} does not say what it is"


def test_command_line_choice_wins_over_the_experiment() -> None:
    config = train_config("experiment=kth_lstm", "data=kth", "model=action_meanpool", "task.lr=1e-4")
    assert (config.data.name, config.model.name, config.task.lr) == ("kth", "action_meanpool", 1e-4)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.hiden_size=3", ["model.hidden_size", "Valid in 'model'", "num_layers"]),
        ("hidden_size=3", ["did you mean model.hidden_size", "Valid at the top", "seed", "experiment"]),
        ("modle=action_rnn", ["unknown key 'modle'", "model"]),
        ("model.cell.size=3", ["unknown key 'model.cell.size'", "Valid in 'model'"]),
        ("model=foo", ["unknown model 'foo'", "action_rnn", "action_framewise"]),
        ("experiment=kth_lstn", ["did you mean 'kth_lstm'"]),
        ("task=null", ["unknown task None", "recognition"]),
        ("task.lr=abc", ["task.lr must be a number", "'abc'"]),
        ("trainer.max_epochs=1.5", ["trainer.max_epochs must be a whole number"]),
        ("data.size=64", ["data.size must be a list"]),
        ("trainer.deterministic=1", ["trainer.deterministic must be true or false"]),
        ("trainer.gradient_clip_val=1.0", ["task.gradient_clip_val=1.0"]),
        ("model.cell", ["cannot read 'model.cell'", "key=value"]),
        ("data.batch_size=[1,2", ["cannot read"]),
        ("model.cell=lstm,gru", ["several values", "-m"]),
        ("data=video_folder", ["data.root must be given", "lstmzoo train data.root="]),
    ],
)
def test_mistakes_are_explained(override: str, said: list[str]) -> None:
    with pytest.raises(LstmzooError) as error:
        compose("train", [override])
    for part in said:
        assert part in str(error.value)


@pytest.mark.parametrize("name", ["predict_captioning", "predict_segmentation", "inspect_segmentation", "predict"])
def test_what_is_missing_is_shown_in_a_command_that_exists(name: str) -> None:
    command = name.partition("_")[0]
    with pytest.raises(LstmzooError, match=rf"^input must be given, e.g. lstmzoo {command} ckpt_path=R input=PATH$"):
        compose(name, ["ckpt_path=R"])
    with pytest.raises(LstmzooError, match=rf"e.g. lstmzoo {command} ckpt_path=PATH input=PATH$"):
        compose(name, [])


@pytest.mark.parametrize("path", ["/my data/kth (1)", "runs/a=b,c", r"C:\videos\it's", "~/kth", "/data/a,b", "glob(*)"])
def test_paths_may_hold_any_character(path: str) -> None:
    assert compose("train", [f"data.root={path}"]).data.root == path
    assert override_stored(train_config(), [f"data.root={path}"], "a run").data.root == path


def test_commas_part_paths_in_sweeps_only() -> None:
    (several,) = parse(["data.root=/data/a,b"], sweep=True)
    assert [*several.sweep_string_iterator()] == ["/data/a", "b"]
    with pytest.raises(LstmzooError, match="add -m"):
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


def test_the_mistakes_of_a_sweep_show_before_it_starts() -> None:
    compose_sweep("train", ["seed=range(2)"])
    with pytest.raises(LstmzooError, match="unknown model 'foo'"):
        compose_sweep("train", ["model=action_rnn,foo"])
    with pytest.raises(LstmzooError, match="whole number"):
        compose_sweep("train", ["model=action_rnn", "seed=1,two"])


def test_stored_configurations_take_keys_but_no_groups() -> None:
    stored = train_config()
    changed = override_stored(stored, ["data.root=elsewhere", "trainer.max_epochs=7"], "resume=run")
    assert (changed.data.root, changed.trainer.max_epochs) == ("elsewhere", 7)
    assert override_stored(stored, ["+trainer.profiler=simple"], "resume=run").trainer.profiler == "simple"
    assert stored.data.root == "data/kth_simulated"
    for override, said in [
        ("model=action_meanpool", "cannot be combined with resume=run"),
        ("experiment=kth_long", "cannot be combined"),
        ("data.rot=x", "did you mean data.root"),
        ("trainer.max_epochs=many", "whole number"),
        ("+data.more=1", "only key=value"),
        ("+trainer.limit_test_batches=1", "drop the '+'"),
        ("++trainer.limit_test_batches=1", "drop the '+'"),
        ("~data.root", "only key=value"),
        ("seed=1,2", "only key=value"),
    ]:
        with pytest.raises(LstmzooError, match=said.replace("+", r"\+")):
            override_stored(stored, [override], "resume=run")


def test_wrong_values_of_the_task_are_explained() -> None:
    for override, said in [
        ("task.lr=0", "task.lr must be greater than 0"),
        ("task.schedule=linear", "unknown task.schedule 'linear'"),
        ("task.tbptt_window=0", "task.tbptt_window must be"),
        ("task.label_smoothing=1", "task.label_smoothing must be"),
        ("model.cell=lstn", "did you mean 'lstm'"),
        ("data.size=[8,8]", r"frames of data.size=\[8, 8\]"),
        ("task.name=foo", "unknown task 'foo'"),
    ]:
        with pytest.raises(LstmzooError, match=said):
            build.build_task(train_config(override), CLASSES)


def test_wrong_values_of_the_trainer_are_explained(tmp_path: Path) -> None:
    task = build.build_task(train_config(), CLASSES)
    for override, said in (
        ("trainer.accelerator=abacus", "the trainer cannot be set up like this"),
        ("trainer.precision=7", "the trainer cannot be set up like this"),
        ("+trainer.max_epoch=1", "did you mean 'max_epochs'"),
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


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("~data", "group 'data' can't be left out"),
        ("~seed", "keys can't be taken away"),
        ("+x=1", "unknown key 'x'"),
        ("+callbacks.early=1", "Valid in 'callbacks': patience"),
        ("+logger.wandb=true", "Valid in 'logger': tensorboard"),
        ("+data.rooot=x", "did you mean data.root"),
        ("+task.lrr=1", "did you mean task.lr"),
        ("++model.sell=gru", "did you mean model.cell"),
        ("hydra=null", "unknown key 'hydra'"),
    ],
)
def test_keys_are_neither_added_nor_taken_away(override: str, message: str) -> None:
    with pytest.raises(LstmzooError, match=message):
        compose("train", [override])


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


def test_files_of_ones_own_are_choices(own_configs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched = f'hydra.searchpath=["file://{own_configs}"]'
    config = compose("train", [searched, "experiment=mine", "task.lr=1e-4"])
    assert (config.data.root, config.data.clip_len, config.trainer.max_epochs) == ("my kth", 16, 3)
    with pytest.raises(LstmzooError, match="did you mean 'mine'"):
        compose("train", [searched, "experiment=mime"])
    with pytest.raises(LstmzooError, match="no folder /nowhere"):
        compose("train", ["hydra.searchpath=[/nowhere]"])
    assert main(["train", "--config-dir", str(own_configs), "experiment=mine", "--cfg", "job"]) == 0
    assert "root: my kth" in capsys.readouterr().out
    assert main(["train", "--config-dir", str(own_configs), "experiment=mine", "data.rooot=x"]) == 2
    assert "did you mean data.root" in capsys.readouterr().err
