"""The help texts of train and eval, written from the configurations themselves."""

from __future__ import annotations

from lstmzoo.cli.configs import config_dir, groups

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
say what each key means.

Examples
  lstmzoo train trainer.max_epochs=5 model.cell=gru
  lstmzoo train experiment=kth_framewise data=kth data.root=/data/kth
  lstmzoo train experiment=video_folder data.root=my_videos 'data.group_pattern=_g(\\d+)_'
  lstmzoo train -m seed=0,1,2 model.cell=lstm,gru           all combinations, one after the other
  lstmzoo train resume=runs/kth_lstm/<date> trainer.max_epochs=40
"""

EVAL = """\
usage: lstmzoo eval ckpt_path=FILE [split=test] [output=FOLDER] [key=value ...]

Measures a checkpoint: accuracy over sequences, over videos, and with shuffled frames; per class and scenario; the
confusion matrix. Everything needed is in the checkpoint; any key of its configuration can be changed.

Keys
{keys}

Examples
  lstmzoo eval ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt
  lstmzoo eval ckpt_path=best.ckpt split=val data.root=/data/kth data.test_clips=8
"""


def train_usage() -> str:
    """Return the help of ``lstmzoo train``."""
    main = (config_dir() / "train.yaml").read_text(encoding="utf-8")
    lines = []
    for group, choices in groups().items():
        marked = [f"{choice}*" if f"- {group}: {choice}\n" in main else choice for choice in choices]
        lines.append(f"  {group:<12}{', '.join(marked)}")
    return TRAIN.format(groups="\n".join(lines), keys=_keys(main), folder=config_dir())


def eval_usage() -> str:
    """Return the help of ``lstmzoo eval``."""
    return EVAL.format(keys=_keys((config_dir() / "eval.yaml").read_text(encoding="utf-8")))


def _keys(text: str) -> str:
    """The top-level ``key: value  # comment`` lines of a configuration file."""
    lines = [line for line in text.splitlines() if line[:1].isalpha() and "#" in line]
    parts = [[part.strip() for part in line.partition("#")[::2]] for line in lines]
    return "\n".join(f"  {setting:<24}{comment}" for setting, comment in parts)
