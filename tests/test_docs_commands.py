"""Every command in the documentation's blocks and sentences is one that the program accepts, until it would start."""

from __future__ import annotations

import copy
import json
import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest
import torch
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import OmegaConf

from lstmzoo import registry
from lstmzoo.cli import main
from lstmzoo.cli.train import _said
from lstmzoo.config import groups
from lstmzoo.config.compose import _hydra_compose, _is_choice, compose, override_stored
from lstmzoo.discovery import import_own
from lstmzoo.errors import LstmzooError
from lstmzoo.models.checkpoint import checkpoint_metadata
from lstmzoo.models.checkpoint_file import find
from lstmzoo.models.pretrained.names import shipped
from lstmzoo.models.pretrained.weights_folder import read_config
from lstmzoo.nn import cell_registry, get_cell
from lstmzoo.runs.start_from import inherit

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "data/README.md")), *(ROOT / "docs").rglob("*.md")]
NOTEBOOKS = [*(ROOT / "docs/tutorials").glob("*.ipynb")]
"""Their code is run by test_tutorials.py."""

SKIPPED = ("export ", "python -m timeit ", "python3 -m venv ")
"""Lines that are no commands of ours begin so, behind what they set in the environment."""

MOST_SKIPPED = 5

RUNS: dict[str, dict[str, str | list[str]]] = {
    "CONTRIBUTING.md": {"RUN": "kth_sim_lstm", "NAME": "kth_sim_lstm"},
    "README.md": {"runs/demo": "kth_sim_lstm"},
    "docs/captioning.md": {"RUN": "flickr8k_soft_attention"},
    "docs/deploy.md": {"runs/demo": "kth_sim_lstm"},
    "docs/kth.md": {"for_real": "kth_sim_lstm", "tuned": "kth_sim_lstm"},
    "docs/own_cells.md": {"runs/kth_lstm/DATE_TIME": "kth_sim_lstm"},
    "docs/own_parts.md": {"waves": ["task=my_parts:Forecasting"]},
    "docs/segmentation.md": {
        "RUN": "davis_guided",
        "joined.ckpt": "davis_recurrent",
        "runs/cross_validation/matching-0/checkpoints/last.ckpt": "davis_guided",
        "runs/cross_validation/recurrent-0/checkpoints/last.ckpt": "davis_sim_recurrent",
    },
    "docs/reliability.md": {"FILE": "kth_sim_lstm", "FOLDER": ["data=kth"]},
    "docs/sequences.md": {"RUN": ["data=recall"]},
    "docs/tutorials/first_run.ipynb": {"runs/first": "kth_sim_lstm"},
    "docs/zoo/README.md": {"RUN": "kth_sim_lstm"},
}
"""What a page calls its runs: weights in the package that are like them, or how such a run is trained."""

IN_SENTENCES = {
    "eval": ["ckpt_path=davis_guided"],
    "predict": ["ckpt_path=davis_guided", "input=x"],
    "inspect": ["ckpt_path=davis_guided", "input=x"],
    "export": ["ckpt_path=kth_sim_lstm", "output=x"],
    "data": ["root=x"],
}
"""What a sentence may leave out of a command."""

PLACEHOLDERS = {"data=NAME": "data=recall", "model=NAME": "model=action_rnn", "results=FOLDER": "results=x data=davis"}
"""What a sentence does not choose."""

MODULES = {
    "docs/own_cells.md": ("my_cells", slice(1)),
    "docs/own_parts.md": ("my_parts", slice(None)),
    "docs/segmentation.md": ("my_module", slice(1, None)),
    "docs/tutorials/own_cell.ipynb": ("my_cells", slice(1)),
}
"""A page's module, and which of its blocks of Python are in it."""


BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Command(NamedTuple):
    """A command, and where it stands."""

    page: str
    line: int
    text: str
    in_sentence: bool = False

    @property
    def words(self) -> list[str]:
        """What a shell makes of it, without comments and without what is set in the environment."""
        words = shlex.split(self.text, comments=True)
        while words and re.match(r"\w+=", words[0]):
            del words[0]
        return completed(words) if self.in_sentence else words

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {' '.join(self.words)}"


def blocks(page: Path, language: str) -> Iterator[tuple[int, str]]:
    """Every block of code in a language, or cell of code, with the line that it begins at, or its number."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        yield from ((number, re.sub("^%.*", "", cell)) for number, cell in cells(page, "code"))
        return
    for found in BLOCK.finditer(text):
        if found[1] == language:
            yield text.count("\n", 0, found.start(2)) + 1, found[2]


def cells(notebook: Path, kind: str) -> Iterator[tuple[int, str]]:
    """The cells of a notebook, markdown or code, with their numbers."""
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == kind:
            yield number, "".join(cell["source"])


def commands_of(page: Path) -> Iterator[Command]:
    """The commands of a page; a backslash at the end of a line continues it."""
    for start, block in blocks(page, "bash"):
        for found in re.finditer(r"(?:.*\\\n)*.+", block):
            text = found[0].replace("\\\n", " ")
            if text.split("#")[0].strip():
                yield Command(page.relative_to(ROOT).as_posix(), start + block.count("\n", 0, found.start()), text)


def commands_in_sentences(page: Path) -> Iterator[Command]:
    """The commands between single backticks; of a notebook, the number of the cell is the line."""
    name = page.relative_to(ROOT).as_posix()
    if page.suffix == ".ipynb":
        parts = [*cells(page, "markdown")]
    else:
        parts = [(1, BLOCK.sub(lambda block: "\n" * block[0].count("\n"), page.read_text(encoding="utf-8")))]
    for start, part in parts:
        for found in re.finditer(r"(?<!`)`((?:[A-Z_]+=\S+ )*(?:lstmzoo |\./scripts/|python scripts/)[^`]+)`", part):
            yield Command(name, start + part.count("\n", 0, found.start()), found[1].replace("\n", " "), True)


def completed(words: Sequence[str]) -> list[str]:
    """A command of a sentence with what it leaves out or to the reader."""
    words = [part for word in words if "..." not in word for part in PLACEHOLDERS.get(word, word).split(" ")]
    if words[0] != "lstmzoo" or len(words) == 2:  # a command's name alone prints its help, or trains as by default
        return words
    keys = {word.partition("=")[0] for word in words} | ({"ckpt_path"} if "results=x" in words else set())
    return [*words, *(word for word in IN_SENTENCES.get(words[1], []) if word.partition("=")[0] not in keys)]


def is_skipped(command: Command) -> bool:
    return " ".join(command.words).startswith(SKIPPED)


ALL = [command for page in sorted(PAGES) for command in commands_of(page)]
ALL += [command for page in sorted([*PAGES, *NOTEBOOKS]) for command in commands_in_sentences(page)]
COMMANDS = [command for command in ALL if not is_skipped(command)]


class Accepted(BaseException):
    """A command has got to where it would start; nothing but a test catches this."""


def accept(*args: Any, **options: Any) -> NoReturn:
    raise Accepted


def accept_training(args: Any, completed: Any) -> NoReturn:
    if not args.multirun:  # those of a sweep have been through `check_composed`
        check_composed(compose("train", args.overrides, complete=False), args.overrides, completed)
    raise Accepted


def check_composed(config: Any, overrides: Sequence[str], completed: Any) -> None:
    """What is checked before a training starts, short of a model that is built."""
    inherit(config, _said(overrides, completed))
    if (cell := config.model.get("cell")) is not None:
        get_cell(cell)


def accept_resumption(folder: Path, overrides: Sequence[str], sweep: bool) -> NoReturn:
    assert not sweep
    override_stored(compose("train", []), overrides, f"resume={folder}")
    raise Accepted


def accept_checkpoint(place: Path, *args: Any, **options: Any) -> NoReturn:
    find(place)
    raise Accepted


composed: dict[tuple[str, ...], Any] = {}


def compose_once(config_name: str, overrides: Sequence[Override]) -> Any:
    """Let Hydra, which is slow, compose the same choices once; plain values are put in as Hydra does it."""
    values = [one for one in overrides if one.type == OverrideType.CHANGE and not _is_choice(one)]
    others = [one for one in overrides if one not in values]
    key = (config_name, *(str(one.input_line) for one in others))
    if key not in composed:
        composed[key] = _hydra_compose(config_name, others)
    config = copy.deepcopy(composed[key])
    for one in values:
        if not one.key_or_group.startswith("hydra."):  # where the run folder is
            OmegaConf.update(config, one.key_or_group, one.value(), merge=True)
    return config


def without_tensors(folder: Path) -> dict[str, Any]:
    """All that commands ask of weights before they start."""
    return {"lstmzoo": read_config(folder)["lstmzoo"], "state_dict": {}}


STARTS: dict[str, Any] = {
    "lstmzoo.config.compose._hydra_compose": compose_once,
    "lstmzoo.models.checkpoint.read_weights": without_tensors,
    "lstmzoo.cli.train._launch": accept_training,
    "lstmzoo.cli.train._resume": accept_resumption,
    "lstmzoo.cli.train._dry_run": check_composed,
    "lstmzoo.cli.train._check_data": lambda config, checked: None,
    "lstmzoo.runs.start_from.settle_places": lambda config, given: None,  # whether the data are there
    "lstmzoo.runs.request.settle_places": lambda config, given: None,
    "lstmzoo.runs.evaluate.evaluate": accept,
    "lstmzoo.runs.build.absolute_paths": accept,  # results=...
    "lstmzoo.runs.device.load_model": accept,
    "lstmzoo.cli.export._write_weights": accept_checkpoint,
    "lstmzoo.cli.export._write_networks": accept_checkpoint,
    "lstmzoo.cli.measure._measure": accept,
    "lstmzoo.cli.measure._runs_in": accept,
    "lstmzoo.cli.data.naming": accept,
    "lstmzoo.conformance.checks": lambda names: accept() if names else [],
    "lstmzoo.app.find_spec": accept,
    "lstmzoo.study.memory.alone": accept,
    "lstmzoo.study.tasks.alone": accept,
    "lstmzoo.study.truncation.alone": accept,
    "lstmzoo.study.rules.follow": accept,
}
"""Where commands begin to work, and look for data; what takes the place of that here."""


@pytest.fixture
def at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands stop where they would start, in a folder that is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("LSTMZOO_DEBUG", "1")  # `main` lets errors through
    for place, stand_in in STARTS.items():
        monkeypatch.setattr(place, stand_in)


@pytest.fixture
def page_of(at_the_start: None, command: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The working directory of a page: its module and its runs."""
    name, which = MODULES.get(command.page, ("", slice(0)))
    if name:
        forget_afterwards(monkeypatch)
        code = [block for _, block in blocks(ROOT / command.page, "python")][which]
        Path(f"{name}.py").write_text("\n".join(code), encoding="utf-8")
        import_own(name)
    for place, like in RUNS.get(command.page, {}).items():
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(like, str):
            Path(place).symlink_to(shipped()[like])
        else:
            Path(place, "checkpoints").mkdir(parents=True)
            torch.save({"state_dict": {}, "lstmzoo": trained(*like)}, Path(place, "checkpoints/best.ckpt"))
    stop_at_inputs(monkeypatch)
    yield
    sys.modules.pop(name, None)


def forget_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the registries forget what a page's module puts there."""
    for one in (registry.models, registry.datasets, registry.tasks):
        one.names()
        monkeypatch.setattr(one, "entries", dict(one.entries))
    monkeypatch.setattr(cell_registry, "_CELLS", dict(cell_registry._CELLS))
    monkeypatch.setattr(groups, "_stored", set())


def stop_at_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """`predict` and `inspect` begin with a look at their input."""
    for task in map(registry.tasks.get, registry.tasks.names()):
        monkeypatch.setattr(task.target.predictor(), "find", accept)
        monkeypatch.setattr(task.target.inspector(), "check", accept)


@cache
def trained(*overrides: str) -> dict[str, Any]:
    """What the checkpoint of a training says about itself, as far as commands read it."""
    config: Any = OmegaConf.to_container(compose("train", overrides), resolve=True)
    arguments = {key: value for key, value in config["model"].items() if key != "name"}
    transform = {key: ["a", "b"] for key in registry.tasks.get(config["task"]["name"]).target.transform_keys}
    return checkpoint_metadata(config["model"]["name"], arguments, [], transform, config["data"], config)


def check(words: Sequence[str]) -> None:
    """Raise an error of any kind unless a command would start, or is done."""
    if words[0] != "lstmzoo":
        check_script(words)
        return
    with suppress(Accepted):
        assert main(words[1:]) == 0


def check_script(words: Sequence[str]) -> None:
    by_python = words[0] == "python"
    name, *more = words[by_python:]
    file = ROOT / name
    if not name.removeprefix("./").startswith("scripts/") or not file.is_file():
        raise LstmzooError(f"{name} is no script of ours")
    if not by_python and not os.access(file, os.X_OK):
        raise LstmzooError(f"{name} is not executable")
    if file.name == "reproduce" and more[0] not in runpy.run_path(str(file))["TABLES"]:
        raise LstmzooError(f"{name} has no table {more[0]}")
    if file.name == "cross_validate":  # what is neither the folder nor a line of the table is for every training
        check(["lstmzoo", "train", *(word for word in more if re.match(r"[\w.+]+=", word))])


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=str)
@pytest.mark.usefixtures("page_of")
def test_a_command_of_the_documentation_is_accepted(command: Command) -> None:
    try:
        check(command.words)
    except (LstmzooError, ValueError, SystemExit) as error:
        pytest.fail(f"{command}\n{error}", pytrace=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "lstmzoo trian",
        "lstmzoo train experiment=quik",
        "lstmzoo train model.hiden_size=3",
        "lstmzoo train model.cell=lstn",
        "lstmzoo train task.lr=fast",
        "lstmzoo train --mutlirun seed=0,1",
        "lstmzoo train -m model.cell=lstm,gru sead=0,1",
        "lstmzoo train -m model.cell=lstm,gruu seed=0,1",
        "lstmzoo train model=action_meanpool model.cell=gru",
        "lstmzoo train task.start_from=kth_sim_lstn",
        "lstmzoo train task.start_from=kth_sim_lstm data=video_folder data.rot=x",
        "lstmzoo train task.start_from=kth_sim_lstm data=davis data.root=x",
        "lstmzoo train resume=latest trainer.max_epoch=3",
        "lstmzoo eval ckpt_path=kth_sim_lstn",
        "lstmzoo eval ckpt_path=kth_sim_lstm splitt=val",
        "lstmzoo eval ckpt_path=kth_sim_lstm split=vall",
        "lstmzoo eval ckpt_path=kth_sim_lstm data.rot=x",
        "lstmzoo eval ckpt_path=kth_sim_lstm data=davis data.root=x",
        "lstmzoo eval ckpt_path=flickr8k_soft_attention task.decoding.num_beam=5",
        "lstmzoo eval results=masks data=davis data.root=x protocl=unsupervised",
        "lstmzoo predict ckpt_path=flickr8k_soft_attention input=x num_return_sequence=3",
        "lstmzoo predict ckpt_path=kth_sim_lstm input=x num_return_sequences=3",
        "lstmzoo predict ckpt_path=kth_sim_lstm input=0 max_frames=many",
        "lstmzoo predict ckpt_path=kth_sim_lstm",
        "lstmzoo inspect ckpt_path=kth_sim_lstm input=x layr=0",
        "lstmzoo inspect ckpt_path=kth_sim_lstm layer=0 data.rot=x",
        "lstmzoo export ckpt_path=kth_sim_lstm output=x floatt16=true",
        "lstmzoo export ckpt_path=kth_sim_lstn output=x",
        "lstmzoo export ckpt_path=kth_sim_lstm output=x format=onx",
        "lstmzoo bench cels",
        "lstmzoo bench cells repeat=3",
        "lstmzoo study memry",
        "lstmzoo study memory quick=maybe",
        "lstmzoo study memory cells=lstn",
        "lstmzoo study tasks task=caption",
        "lstmzoo data check kht root=x",
        "lstmzoo data check kth rot=x",
        "lstmzoo data prepare kth",
        "lstmzoo list modles",
        "lstmzoo check no_such_module",
        "lstmzoo app prt=8000",
        "./scripts/no_such_script",
        "./scripts/caption_onnx.py captioner photo.jpg",
        "python scripts/no_such_script.py",
        "python setup.py install",
        "./scripts/reproduce no_such_table",
        './scripts/cross_validate DAVIS "matching:" experiment=davis data.rot=x',
    ],
)
def test_a_mistake_is_refused(text: str, at_the_start: None, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_at_inputs(monkeypatch)
    with pytest.raises((LstmzooError, ValueError, SystemExit)):
        check(shlex.split(text))


def test_hardly_a_line_is_skipped() -> None:
    assert len(COMMANDS) > 100
    assert len(ALL) - len(COMMANDS) <= MOST_SKIPPED


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_stand_in_blocks_that_are_checked(page: Path) -> None:
    """A block without a language holds no commands."""
    for line, block in blocks(page, ""):
        assert not re.search(r"^(\$ )?(lstmzoo |\./scripts/)", block, re.MULTILINE), f"{page}:{line}"


def test_continued_lines_comments_and_variables_are_read_as_a_shell_does() -> None:
    command = Command("page.md", 1, "A=1 B=2 lstmzoo train 'data.root=my set'  seed=1   # seed=2")
    assert command.words == ["lstmzoo", "train", "data.root=my set", "seed=1"]
    said = Command("page.md", 1, "lstmzoo export sizes=... format=onnx", in_sentence=True)
    assert said.words == ["lstmzoo", "export", "format=onnx", *IN_SENTENCES["export"]]
    (continued,) = (command for command in COMMANDS if "task.start_from=for_real" in command.text)
    assert continued.words[-1] == "output=tuned"
