"""``lstmzoo study`` and ``lstmzoo compare``: networks beside each other, in one table and one figure."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from lstmzoo.errors import LstmzooError, unknown_choice

STUDIES = {
    "memory": "how far back cells remember, with equal parameters and steps",
    "truncation": "what truncated back-propagation through time cuts off",
    "rules": "the four rules of the memory cell, in one figure",
    "tasks": "what memory is worth in the three tasks, and what is left of it when it is disturbed",
}

STUDY = """\
usage: lstmzoo study NAME [option=value ...]

{studies}

`lstmzoo study NAME --help` lists the options. A study that was interrupted goes on with the same command.

Examples
  lstmzoo study memory quick=true                      in about a minute
  lstmzoo study memory task=recall,temporal_order cells=rnn_tanh,gru,lstm distances=10,100,1000
  lstmzoo study tasks task=recognition
"""

COMPARE = """\
usage: lstmzoo compare RUN RUN ... [output=FOLDER]

One table of what differs between runs and what they reached, mean ± standard deviation over seeds, and their curves in
one figure: summary.csv, summary.md and summary.png in FOLDER (default: the working directory). A folder that is not a
run stands for all runs below it.

Example
  lstmzoo compare runs/kth_lstm runs/kth_framewise output=comparison
"""


def run_study(argv: Sequence[str]) -> None:
    """Run a study."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(STUDY.format(studies="\n".join(f"  {name:<12}{about}" for name, about in STUDIES.items())), end="")
        return
    if argv[0] not in STUDIES:
        raise LstmzooError(f"lstmzoo study: {unknown_choice('study', argv[0], STUDIES)}")
    module = importlib.import_module(f"lstmzoo.study.{argv[0]}")
    if {"-h", "--help", "help"} & {*argv[1:]}:
        print(module.USAGE, end="")
        return
    module.study(argv[1:])


def run_compare(argv: Sequence[str]) -> None:
    """Compare the runs that the arguments name."""
    if not argv or {"-h", "--help"} & set(argv):
        print(COMPARE, end="")
        return
    from lstmzoo.runs.compare import compare

    outputs = [word.removeprefix("output=") for word in argv if word.startswith("output=")]
    named = [Path(word).expanduser() for word in argv if not word.startswith("output=")]
    folders = [folder for place in named for folder in _runs_in(place)]
    if len(folders) < 2:
        raise LstmzooError(f"compare takes two runs or more, and found {len(folders)} in {', '.join(map(str, named))}")
    compare(folders, Path(outputs[-1]).expanduser() if outputs else Path())


def _runs_in(place: Path) -> list[Path]:
    if not place.is_dir():
        raise LstmzooError(f"{place} is not a folder: name run folders, or a folder of runs")
    if (place / "config.yaml").is_file():
        return [place]
    return sorted(file.parent for file in place.glob("**/config.yaml") if (file.parent / "metrics.json").is_file())
