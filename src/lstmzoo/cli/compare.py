"""``lstmzoo compare``: runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lstmzoo.errors import LstmzooError

USAGE = """\
usage: lstmzoo compare RUN RUN ... [output=FOLDER]

One table of what differs between runs and what they reached, mean ± standard deviation over seeds, and their curves in
one figure: summary.csv, summary.md and summary.png in FOLDER (default: the working directory). A folder that is not a
run stands for all runs below it.

Example
  lstmzoo compare runs/kth_lstm runs/kth_framewise output=comparison
"""


def run(argv: Sequence[str]) -> None:
    """Compare the runs that the arguments name."""
    if not argv or {"-h", "--help"} & set(argv):
        print(USAGE, end="")
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
