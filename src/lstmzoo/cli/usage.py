"""The help texts, written from the configurations themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lstmzoo.config.groups import config_dir, groups
from lstmzoo.errors import LstmzooError

TRAIN = """\
usage: lstmzoo train [group=choice ...] [key=value ...] [-m]

Trains a model. Results go to runs/<experiment>/<date>: config.yaml, metrics.csv, metrics.json, curves.png,
checkpoints/best.ckpt and last.ckpt. Without arguments: an LSTM on simulated KTH, which is made if it is not there.

Groups and their choices (* = default)
{groups}

Keys without a group
{keys}

`lstmzoo train --cfg job` prints every key with its value; the files in
{folder}
say what each key means. Files of your own are choices, too: --config-dir my_configs experiment=mine takes
my_configs/experiment/mine.yaml.

Examples
  lstmzoo train trainer.max_epochs=5 model.cell=gru
  lstmzoo train experiment=kth_framewise data=kth data.root=/data/kth
  lstmzoo train experiment=video_folder data.root=my_videos 'data.group_pattern=_g(\\d+)_'
  lstmzoo train -m seed=0,1,2 model.cell=lstm,gru           all combinations, one after the other
  lstmzoo train -m hydra/sweeper=optuna hydra.sweeper.direction=maximize 'task.lr=interval(1e-4,1e-2)'
                                 by the best validation result (pip install hydra-optuna-sweeper)
  lstmzoo train resume=runs/kth_lstm/<date> trainer.max_epochs=40
"""


def train_usage() -> str:
    """Return the help of ``lstmzoo train``."""
    main = (config_dir() / "train.yaml").read_text(encoding="utf-8")
    lines = []
    for group, choices in groups().items():
        marked = [f"{choice}*" if f"- {group}: {choice}\n" in main else choice for choice in choices]
        lines.append(f"  {group:<12}{', '.join(marked)}")
    return TRAIN.format(groups="\n".join(lines), keys=_keys(main), folder=config_dir())


def check_words(command: str, words: Sequence[str]) -> None:
    """Say how to write it when a checkpoint or a file is given without its key.

    Raises:
        LstmzooError: a word is the path of something.
    """
    for word in words:
        path = Path(word).expanduser()
        if "=" in word or word.startswith("-") or not path.exists():
            continue
        is_run = path.suffix == ".ckpt" or (path / "checkpoints").is_dir()
        key = "ckpt_path" if is_run or command == "eval" else "input"
        raise LstmzooError(f"{word!r}: write {key}={word}, e.g. lstmzoo {command} {key}={word}")


def with_keys(text: str, command: str, place: str = "{keys}") -> str:
    """Put the keys of ``configs/<command>.yaml``, with their comments, in their place in a help text."""
    return text.replace(place, _keys((config_dir() / f"{command}.yaml").read_text(encoding="utf-8")))


def _keys(text: str) -> str:
    """The top-level ``key: value  # comment`` lines of a configuration file."""
    lines = [line for line in text.splitlines() if line[:1].isalpha() and "#" in line]
    parts = [[part.strip() for part in line.partition("#")[::2]] for line in lines]
    return "\n".join(f"  {setting:<26}{comment}" for setting, comment in parts)
