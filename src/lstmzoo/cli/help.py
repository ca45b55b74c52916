"""The help texts, written from what registers itself and from the files in ``configs/``."""

import textwrap
from collections.abc import Sequence

from lstmzoo.cli.use import EvalOptions, InspectOptions, InspectSplitOptions, PredictOptions
from lstmzoo.config.groups import config_dir, groups, settings_of_choice
from lstmzoo.config.options import described_options
from lstmzoo.registry import Registry, tasks
from lstmzoo.settings import settings_of
from lstmzoo.training.base import BaseTask
from lstmzoo.training.predictor import SplitInspector
from lstmzoo.training.setting_groups import GROUPS

TRAIN = """\
usage: lstmzoo train [group=choice ...] [key=value ...] [-m]

Trains a model. Results go to output=FOLDER, else to runs/<experiment>/<date>: config.yaml, metrics.csv, metrics.json,
curves.png, checkpoints/best.ckpt and last.ckpt. Without arguments: an LSTM on simulated KTH, which is made if it is not
there.

Groups and their choices (* = default)
{groups}

Keys without a group
{keys}
  output=FOLDER             the run folder

`lstmzoo train model=NAME --help` explains the keys of a choice, and so for data=NAME and task=NAME; `--cfg job` prints
every key with its value. A folder `configs` in the working directory holds choices of your own, e.g.
configs/experiment/mine.yaml for experiment=mine (or name another one: --config-dir FOLDER). Classes of your own are
choices, too: model=my_module:MyModel.

Examples
  lstmzoo train experiment=quick                            life in under a minute
  lstmzoo train trainer.max_epochs=5 model.cell=gru
  lstmzoo train experiment=kth_framewise data=kth data.root=/data/kth
  lstmzoo train experiment=video_folder data.root=my_videos 'data.group_pattern=_g(\\d+)_'
  lstmzoo train optimizer=sgd task.lr=0.05 scheduler=one_cycle logger=tensorboard
  lstmzoo train -m seed=0,1,2 model.cell=lstm,gru           all combinations, one after the other, and a table
  lstmzoo train -m hydra/sweeper=optuna 'task.lr=interval(1e-4,1e-2)' hydra.sweeper.n_trials=20
                                 searches for the best validation result (pip install hydra-optuna-sweeper)
  lstmzoo train resume=latest trainer.max_epochs=40         or resume=runs/kth_lstm/<date>
  lstmzoo train task.start_from=runs/kth_lstm/<date> data=video_folder data.root=my_videos
"""

EVAL = """\
usage: lstmzoo eval ckpt_path=FILE [split=test] [output=FOLDER] [data=NAME] [key=value ...]
       lstmzoo eval results=PATH data=NAME data.root=FOLDER [option=value ...]

Measures a checkpoint by the metrics of its task. Everything needed is in the checkpoint; any key of its configuration
can be changed, and data=NAME data.root=FOLDER measures it on another data set of its task.

{options}

With results: scores the predictions of any method.

{results}

Examples
  lstmzoo eval ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt
  lstmzoo eval ckpt_path=best.ckpt split=val data.root=/data/kth data.test_clips=8
  lstmzoo eval ckpt_path=runs/kth_lstm/<date> data=kth data.root=/data/kth split=all
  lstmzoo eval ckpt_path=runs/captions_updown/<date> split=val task.decoding.num_beams=5
  lstmzoo eval ckpt_path=a.ckpt task.ensemble=[b.ckpt,c.ckpt]
  lstmzoo eval results=captions.json data=flickr8k data.root=data/flickr8k
  lstmzoo eval results=masks data=davis data.root=data/davis protocol=unsupervised
"""

PREDICT = """\
usage: lstmzoo predict ckpt_path=FILE input=... [output=FOLDER] [option=value ...]

Uses a checkpoint on files of your own, in the way of its task.

{options}

{tasks}
Examples
  lstmzoo predict ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt input=walking.avi output=out
  lstmzoo predict ckpt_path=best.ckpt input=0 max_frames=500        the first camera
  lstmzoo predict ckpt_path=runs/captions_updown/<date> input=my_images num_return_sequences=3
  lstmzoo predict ckpt_path=runs/segment_guided/<date> input=frames first_mask=frames_first.png
"""

INSPECT = """\
usage: lstmzoo inspect ckpt_path=FILE [input=FILE] [output=FOLDER] [option=value ...]

Draws what happens inside a model: its mistakes, its attention, its memory and gates.

{options}

{tasks}
Examples
  lstmzoo inspect ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt
  lstmzoo inspect ckpt_path=best.ckpt input=walking.avi layer=0
  lstmzoo inspect ckpt_path=runs/captions_updown/<date> input=dog.jpg
"""


def train_usage(words: Sequence[str] = ()) -> str:
    """Return the help of ``lstmzoo train``, or of the choices ``group=name`` among the words."""
    chosen = [word.split("=", 1) for word in words if word.partition("=")[0] in GROUPS]
    if chosen:
        return "".join(_choice(GROUPS[group][0], group, name) for group, name in chosen)
    main = (config_dir() / "train.yaml").read_text(encoding="utf-8")
    lines = []
    for group, choices in groups().items():
        marked = [f"{choice}*" if f"- {group}: {choice}\n" in main else choice for choice in choices]
        lines += textwrap.wrap(", ".join(marked), 116, initial_indent=f"  {group:<12}", subsequent_indent=" " * 14)
    return TRAIN.format(groups="\n".join(lines), keys=_keys(main))


def eval_usage(words: Sequence[str] = ()) -> str:
    """Return the help of ``lstmzoo eval``."""
    scored = [task for task in map(_task, tasks.names()) if "score" in vars(task)]
    parts = (f"{_first_line(task)}\n{described_options(settings_of(task.score, ('data',)))}" for task in scored)
    return EVAL.format(options=described_options(settings_of(EvalOptions)), results="\n\n".join(parts))


def predict_usage(words: Sequence[str] = ()) -> str:
    """Return the help of ``lstmzoo predict``."""
    return PREDICT.format(
        options=described_options(settings_of(PredictOptions)),
        tasks="".join(_options_of(name, _task(name).predictor()) for name in tasks.names()),
    )


def inspect_usage(words: Sequence[str] = ()) -> str:
    """Return the help of ``lstmzoo inspect``."""
    split = {name: _task(name).inspector() for name in tasks.names()}
    more = settings_of(InspectSplitOptions)["split"]
    parts = []
    for name, kind in split.items():
        own = ({"split": more} if issubclass(kind, SplitInspector) else {}) | settings_of(kind)
        parts.append(f"{name}: {_first_line(kind)}\n{described_options(own)}\n{getattr(kind, 'note', '')}\n")
    return INSPECT.format(options=described_options(settings_of(InspectOptions)), tasks="".join(parts))


def _task(name: str) -> type[BaseTask]:
    return tasks.get(name).target  # type: ignore[no-any-return]


def _choice(registry: Registry, group: str, name: str) -> str:
    entry = registry.find(name)
    options = described_options(settings_of_choice(group, entry.name))
    return f"{group}={entry.name}: {entry.summary}\n\n{options}\n"


def _options_of(name: str, kind: type) -> str:
    return f"{name}: {_first_line(kind)}\n{described_options(settings_of(kind))}\n{getattr(kind, 'note', '')}\n"


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _keys(text: str) -> str:
    """The top-level ``key: value  # comment`` lines of a configuration file."""
    lines = [line for line in text.splitlines() if line[:1].isalpha() and "#" in line]
    parts = [[part.strip() for part in line.partition("#")[::2]] for line in lines]
    return "\n".join(f"  {setting:<26}{comment}" for setting, comment in parts)


USAGES = {"train": train_usage, "eval": eval_usage, "predict": predict_usage, "inspect": inspect_usage}
"""The commands whose help is made of what is registered."""
