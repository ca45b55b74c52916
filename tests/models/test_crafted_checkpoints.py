"""Checkpoints and run folders of strangers: read or refused in a message, never run, never obeyed."""

from __future__ import annotations

import copy
import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml  # type: ignore[import-untyped]

import lstmzoo
from crafted_checkpoints import (
    NUMBERS,
    STRANGER,
    Checkpoint,
    crafted,
    places,
    put,
    resumable,
    saved,
    sound,
    write_stranger,
)
from lstmzoo.actions.data.pattern_cost import is_quick
from lstmzoo.actions.data.video_groups import LIKELY, TELLING
from lstmzoo.cli import main
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models import create_model
from lstmzoo.models.checkpoint import open_checkpoint
from lstmzoo.models.pretrained.names import CONFIG
from lstmzoo.nn import list_cells
from lstmzoo.registry import models, register_model
from lstmzoo.runs import evaluate
from lstmzoo.runs.resume import read_run
from lstmzoo.runs.stored import take_metadata
from segmentation.tiny_segments import save_checkpoint, write_film
from tiny_runs import write_tiny_kth

CHOSEN = re.compile(
    r"config\.model\.cell-0|model\.args\.cell-0|config\.data\.root-3"
    r"|config\.data\.test_clips-1|config\.task\.name-2|model\.args\.(dropout-0|num_layers-8)"
    r"|transform\.size-6|class-0|without transform\.size|system beside|bomb"
)
"""Files on which every command is tried: one of each kind; the others are only loaded."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crafted")


@pytest.fixture(scope="module")
def root(folder: Path) -> Path:
    return write_tiny_kth(folder / "kth")


@pytest.fixture(scope="module")
def base(root: Path) -> Checkpoint:
    return sound(root)


@pytest.fixture
def place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, in which a stranger's module can be imported; it must stay as it is."""
    work = tmp_path / "work"
    work.mkdir()
    ran = write_stranger(tmp_path)
    monkeypatch.chdir(work)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path
    assert not ran.exists()
    assert STRANGER not in sys.modules
    assert not list(work.iterdir()), "something was written outside of the folder asked for"


def commands(checkpoint: Path, root: Path, output: Path) -> dict[str, list[str]]:
    """Each command that starts from a checkpoint."""
    video = next(root.rglob("*.avi"))
    return {
        "eval": ["eval", f"ckpt_path={checkpoint}", f"output={output / 'eval'}"],
        "predict": ["predict", f"ckpt_path={checkpoint}", f"input={video}", f"output={output}", "video=none"],
        "inspect": ["inspect", f"ckpt_path={checkpoint}", f"output={output / 'inspect'}"],
    }


@pytest.mark.slow
def test_crafted_files_get_one_message(
    place: Path, root: Path, base: Checkpoint, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    names: dict[str, str] = {}
    for name, content in crafted(base):
        file = place / "best.ckpt"
        file.write_bytes(content)
        try:
            lstmzoo.load(file)
        except CheckpointError as error:
            names[name] = str(error)
        if not CHOSEN.fullmatch(name):
            continue
        for command, arguments in commands(file, root, place / "out").items():
            code = main(arguments)
            said = capsys.readouterr()
            assert code in (0, 2), (name, command)
            assert (code == 2) == ("lstmzoo: " in said.err), (name, command, said.err)
            assert said.err.count("\n") <= 2, (name, command, said.err)
            assert "\x1b" not in said.out + said.err, (name, command)
        shutil.rmtree(place / "out", ignore_errors=True)
    assert len(names) > 150
    expected = [f"transform.fps-{number}" for number in range(9)] + ["negative variances", "clips of 10 GB"]
    assert not [name for name in expected if name not in names]
    assert not [name for name, message in names.items() if "best.ckpt" not in message or "\n" in message]
    objects = ["a module", "system", "popen", "eval", "partial", "system beside", "a pickle", "legacy with code"]
    for name in [*objects, *NUMBERS, "a pickle of protocol 0"]:
        assert "pickled Python objects, which are not loaded" in names[name], name
    assert "TorchScript" in names["TorchScript"]
    assert not [warning for warning in recwarn if issubclass(warning.category, UserWarning)]


@pytest.mark.slow
def test_crafted_folders_of_weights_get_one_message(place: Path, root: Path, base: Checkpoint) -> None:
    """What a stranger may say in a checkpoint, said in config.json instead: refused, or the same is loaded."""
    (place / "best.ckpt").write_bytes(saved(base))
    folder = lstmzoo.save_pretrained(lstmzoo.load(place / "best.ckpt"), place / "folder")
    config = json.loads((folder / CONFIG).read_text())
    refused: dict[str, str] = {}
    for name, change in places(base).items():
        crafted = copy.deepcopy(base)
        change(crafted)
        with suppress(ValueError, RecursionError), (folder / CONFIG).open("w") as file:  # what holds itself has no end
            file.writelines(islice(json.JSONEncoder().iterencode(config | {"lstmzoo": crafted["lstmzoo"]}), 100_000))
        try:
            lstmzoo.load(folder)
        except CheckpointError as error:
            refused[name] = str(error)
    assert len(refused) > 70
    assert not [name for name, said in refused.items() if "\n" in said or str(folder) not in said]
    assert {"model.args.num_layers-0", "model.args.cell-0", "transform.fps-2", "clips of 10 GB"} <= refused.keys()
    put(config, "lstmzoo.config.task.name", "nothing")
    (folder / CONFIG).write_text(json.dumps(config))
    for command, arguments in commands(folder, root, place / "out").items():
        assert main(arguments) == 2, command


@pytest.mark.parametrize("command", ["eval", "predict", "inspect"])
def test_weights_that_are_not_finite_are_refused(
    command: str, place: Path, root: Path, base: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = copy.deepcopy(base)
    broken["state_dict"]["model.rnn.weight_hh_l0"][0, 0] = float("nan")
    (place / "best.ckpt").write_bytes(saved(broken))
    assert main(commands(place / "best.ckpt", root, place / "out")[command]) == 2
    assert "model.rnn.weight_hh_l0" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match=r"not finite.*1 of.*task\.lr"):
        open_checkpoint(place / "best.ckpt")


def test_eval_is_told_by_the_command_line_what_to_do_on_this_machine(
    place: Path, root: Path, base: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy = copy.deepcopy(base)
    for where, value in {"trainer.devices": 64, "trainer.precision": "16-mixed", "data.num_workers": 99}.items():
        put(greedy["lstmzoo"]["config"], where, value)
    put(greedy["lstmzoo"]["config"], "data.cache_dir", str(place / "work" / "there"))
    (place / "best.ckpt").write_bytes(saved(greedy))
    arguments = commands(place / "best.ckpt", root, place / "out")["eval"]
    built: dict[str, Any] = {}

    class Stop(Exception):
        pass

    def trainer(**options: Any) -> None:
        built.update(options)
        raise Stop

    data: list[Any] = []
    opened = evaluate.open_split
    monkeypatch.setattr(evaluate, "open_split", lambda *asked: data.append(opened(*asked)) or data[-1])
    monkeypatch.setattr(evaluate, "Trainer", trainer)
    for more, devices, workers in (([], 1, 1), (["trainer.devices=2", "data.num_workers=0"], 2, 0)):
        with pytest.raises(Stop):
            main([*arguments, *more])
        assert (built["devices"], built["precision"]) == (devices, "32-true")
        assert data[-1].num_workers == workers


@pytest.mark.slow
def test_nothing_is_written_into_a_folder_that_only_a_file_names(place: Path, base: Checkpoint, tmp_path: Path) -> None:
    root = write_tiny_kth(tmp_path / "someone's")
    before = sorted(root.rglob("*"))
    mine = copy.deepcopy(base)
    put(mine["lstmzoo"]["config"], "data.root", str(root))
    (place / "best.ckpt").write_bytes(saved(mine))
    evaluate = commands(place / "best.ckpt", root, place / "out")["eval"]
    assert main(evaluate) == 0
    assert sorted(root.rglob("*")) == before
    assert list((place / "cache").rglob("*.npy"))
    assert main([*evaluate[:-1], f"data.root={root}", f"output={place / 'named'}"]) == 0
    assert (root / ".lstmzoo_cache").is_dir()


def test_every_model_is_built_without_memory_first() -> None:
    cases: list[tuple[str, dict[str, Any]]] = [("action_rnn", {"cell": cell}) for cell in list_cells()]
    cases += [(name, {"vocab_size": 9} if name.startswith("caption_") else {}) for name in lstmzoo.list_models()]
    cases += [("segment_recurrent", {"encoder": "resnet18"}), ("action_rnn", {"encoder": "inception_v3"})]
    for name, arguments in cases:
        with torch.device("meta"):
            model = create_model(name, **arguments)
        assert {weight.device.type for weight in model.state_dict().values()} == {"meta"}, (name, arguments)


def test_a_model_of_ones_own_that_looks_at_its_numbers_is_loaded(
    tmp_path: Path, base: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "entries", dict(models.entries))

    @register_model("curious")
    class Curious(torch.nn.Module):
        def __init__(self, num_classes: int = 6) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.full((num_classes,), torch.ones(1).item()))

    checkpoint = copy.deepcopy(base)
    checkpoint["lstmzoo"]["model"] = {"name": "curious", "args": {"num_classes": 6}}
    checkpoint["state_dict"] = {"model.weight": torch.arange(6.0)}
    (tmp_path / "own.ckpt").write_bytes(saved(checkpoint))
    assert lstmzoo.load(tmp_path / "own.ckpt").weight.tolist() == [0, 1, 2, 3, 4, 5]
    checkpoint["state_dict"] = {"model.weight": torch.arange(5.0)}
    (tmp_path / "own.ckpt").write_bytes(saved(checkpoint))
    with pytest.raises(CheckpointError, match=r"own\.ckpt.*weight"):
        lstmzoo.load(tmp_path / "own.ckpt")


@pytest.mark.parametrize("transform", [{}, {"size": [1, 1]}])
@pytest.mark.parametrize("command", ["predict", "inspect"])
def test_a_segmenter_without_a_size(
    command: str, transform: dict[str, Any], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = save_checkpoint(place / "s.ckpt", "segment_recurrent")
    checkpoint = torch.load(file, weights_only=True)
    for task in ("segmentation", "recognition"):
        put(checkpoint["lstmzoo"], "config.task.name", task)
        put(checkpoint["lstmzoo"], "transform", transform)
        file.write_bytes(saved(checkpoint))
        assert main([command, f"ckpt_path={file}", f"input={write_film(place / 'film.avi')}"]) == 2
        assert "s.ckpt" in capsys.readouterr().err


# run folders


@pytest.fixture
def run(place: Path, base: Checkpoint) -> Path:
    """A run folder that can be resumed."""
    folder = place / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").write_bytes(saved(resumable(base)))
    (folder / "config.yaml").write_text(yaml.safe_dump(base["lstmzoo"]["config"]))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        ("task.loss", f"{STRANGER}:MyCell", "task"),
        ("data.root", "${oc.env:HOME}", r"\$\{oc\.env:HOME\}"),
        ("data.size", [10**6, 10**6], "data.size"),
        ("data.foo", 1, "foo"),
        ("trainer", None, "trainer"),
        ("trainer.accumulate_grad_batches", 0, "trainer.accumulate_grad_batches"),
        ("trainer.check_val_every_n_epoch", 0, "trainer.check_val_every_n_epoch"),
        ("trainer.val_check_interval", 0, "trainer.val_check_interval"),
        ("trainer.val_check_interval", "00:00:01", "trainer.val_check_interval"),
        ("trainer.precision", "transformer-engine", "trainer.precision"),
        ("trainer.limit_train_batches", float("nan"), "trainer.limit_train_batches"),
        ("trainer.limit_val_batches", 2.5, "trainer.limit_val_batches"),
        ("trainer.max_steps", -5, "trainer.max_steps"),
        ("trainer.max_epochs", "\u00b2", "trainer.max_epochs"),
        ("trainer.deterministic", "x", "trainer.deterministic"),
        ("optimizer._target_", f"{STRANGER}.MyCell", "optimizer.*AdamW"),
        ("optimizer", {"_target_": "torch.optim.SGD", "momentum": {"_target_": f"{STRANGER}.MyCell"}}, "optimizer"),
        ("scheduler._target_", "os.system", "scheduler.*Cosine"),
        ("scheduler", {"_target_": "lstmzoo.training.schedule.Cosine", "epochs": "${oc.env:HOME}"}, "scheduler"),
        ("scheduler", None, "scheduler.*Cosine"),
        ("callbacks.patience", "often", "callbacks.patience"),
        ("callbacks", "x", "callbacks"),
        ("logger", "x", "logger"),
        ("hydra", {"run": {"dir": "x"}}, "hydra"),
        ("seed", "x", "seed"),
        ("task", None, "task"),
        ("data.root", "/nowhere", "/nowhere"),
    ],
)
def test_a_strangers_run_is_not_obeyed(
    where: str, value: Any, said: str, run: Path, base: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    config = copy.deepcopy(base["lstmzoo"]["config"])
    put(config, where, value)
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    assert main(["train", f"resume={run}"]) == 2
    message = capsys.readouterr().err
    assert re.search(said, message), message
    assert message.count("\n") <= 2


def test_what_a_run_says_of_its_machine_is_not_taken(
    run: Path, base: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    config = copy.deepcopy(base["lstmzoo"]["config"])
    usual = read_run(run, run / "checkpoints" / "last.ckpt", set())
    capsys.readouterr()
    machine: dict[str, Any] = {
        "trainer.accelerator": "tpu",
        "trainer.devices": "\u00b2",
        "trainer.num_nodes": 64,
        "trainer.strategy": "xla",
        "trainer.profiler": 5,
        "trainer.default_root_dir": "x",
        "trainer.plugins": "x",
        "trainer.max_time": "x",
        "trainer.fast_dev_run": True,
        "data.num_workers": 100_000,
        "callbacks.mine": {"_target_": f"{STRANGER}.MyCell"},
        "logger.mine": {"_target_": f"{STRANGER}.MyCell"},
    }
    for key, value in machine.items():
        put(config, key, value)
    recipe = {"max_epochs": 7, "precision": "bf16-mixed", "limit_train_batches": 0.5, "sync_batchnorm": True}
    config["trainer"].update(recipe)
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    found = read_run(run, run / "checkpoints" / "last.ckpt", set())
    assert found.trainer == {**usual.trainer, **recipe}
    assert (found.callbacks, found.logger) == (usual.callbacks, usual.logger)
    assert found.data == usual.data
    said = capsys.readouterr().out
    assert all(key.partition(".")[2].partition(".")[0] in said for key in machine if key != "data.num_workers")
    assert said.count("\n") == 1


def test_resuming_does_not_import_what_a_run_names(
    run: Path, base: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    named = copy.deepcopy(base)
    put(named["lstmzoo"], "model.args.cell", f"{STRANGER}:MyCell")
    (run / "checkpoints" / "last.ckpt").write_bytes(saved(named))
    assert main(["train", f"resume={run}"]) == 2
    assert f"LSTMZOO_IMPORT={STRANGER}" in capsys.readouterr().err


def test_broken_configurations_of_runs_are_one_line(
    run: Path, failing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((failing / "run").glob("run_y*.yaml"))
    assert files
    for file in files:
        shutil.copyfile(file, run / "config.yaml")
        assert main(["train", f"resume={run}"]) == 2, file
        said = capsys.readouterr().err
        assert said.startswith("lstmzoo: "), file
        assert said.count("\n") == 1, (file, said)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["a: &a [*a, *a]", "[" * 3000, "a: " + "9" * 5000, "- 1", "a: 2020-01-01", "\x00"])
def test_yaml_that_is_no_configuration(text: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "config.yaml").write_text(text)
    assert main(["train", f"resume={run}"]) == 2
    assert "config.yaml" in capsys.readouterr().err


def test_a_pattern_from_a_file_cannot_search_for_ever(root: Path, base: Checkpoint) -> None:
    quick = [r"_g(\d+)_", r"^[^_]+_([^_]+)_.*", "(?:a|b|c)(d)", r"(\w{3})", "(ab)?(c)", "(", *TELLING]
    slow = [r"^(a+)+$", r"(a|aa)*b", "a*a*a*a*b", ".?" * 26 + r"(\0)", "(?:a|a|a)" * 20 + "(x)", "(a)" * 80]
    slow += ["(?:.|.|.|.)" * 14 + r"(\0)", "(?:(?:a|a){9}){9}(b)", "(" * 99 + ")" * 99 + ".*" * 9, "(?=(a+)+b)(c)"]
    assert [pattern for pattern in quick if not is_quick(pattern)] == []
    assert [pattern for pattern in slow if is_quick(pattern)] == []
    checkpoint = copy.deepcopy(base["lstmzoo"])
    for pattern, fine in {LIKELY[0]: True, quick[0]: True, slow[3]: False}.items():
        checkpoint["config"]["data"] = {"name": "video_folder", "root": str(root), "group_pattern": pattern}
        if fine:
            assert take_metadata(checkpoint, "x")[0].data.group_pattern == pattern
        else:
            with pytest.raises(LstmzooError, match="group_pattern"):
                take_metadata(checkpoint, "x")
    assert take_metadata(checkpoint, "x", {"data.group_pattern"})[0].data.group_pattern is None
