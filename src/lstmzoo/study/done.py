"""The trials of a study that have ended, in a file of its folder, so that an interrupted study goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import make_folder, write_atomically
from lstmzoo.study.pool import run_all
from lstmzoo.study.trial import Trial, run

TRIALS, SETTINGS = "trials.json", "settings.json"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other studies out of a folder while this one trains.

    Raises:
        LstmzooError: another one is at work there, or the folder cannot be written.
    """
    make_folder(folder)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout as error:
        raise LstmzooError(f"another study is at work in {folder}: wait for it, or choose another output") from error


class Done:
    """The trials that have ended.

    Args:
        folder: of the study.
        settings: the name of the study, and what all its trials have in common.

    Raises:
        LstmzooError: the folder cannot be written, or holds a study with other settings, or a damaged one.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        make_folder(folder)
        self.path = folder / TRIALS
        self._claim(folder / SETTINGS, settings)
        self.results: dict[str, dict[str, Any]] = {}
        if self.path.is_file():
            try:
                self.results = dict(json.loads(self.path.read_text(encoding="utf-8")))
                _ = [(one["score"], one["steps"]) for one in self.results.values()]
            except (ValueError, TypeError, KeyError, RecursionError, OSError) as error:
                raise LstmzooError(f"{self.path} is damaged ({error}); remove it, or choose another output") from error

    def _claim(self, path: Path, settings: Mapping[str, Any]) -> None:
        text = json.dumps(dict(settings), indent=2) + "\n"
        if path.is_file() and (there := path.read_text(encoding="utf-8", errors="replace")) != text:
            raise LstmzooError(
                f"{path.parent} holds a study with other settings ({' '.join(there.split())[:200]}); "
                "give the same ones to go on with it, or choose another output"
            )
        write_atomically(path, text)

    def complete(self, trials: Sequence[Trial], workers: int, advance: Callable[[float], None]) -> None:
        """Run the trials that have not ended yet; `advance` is told of each."""
        missing = [trial for trial in trials if _key(trial) not in self.results]
        advance(len(trials) - len(missing))
        for result in run_all(_run, missing, workers) if missing else ():
            self.results[result.pop("key")] = result
            write_atomically(self.path, json.dumps(self.results) + "\n")
            advance(1)

    def result(self, trial: Trial) -> dict[str, Any]:
        """What came out of a trial; see `lstmzoo.study.trial.run`."""
        return self.results[_key(trial)]


def _run(trial: Trial) -> dict[str, Any]:
    return {"key": _key(trial), **run(trial)}


def _key(trial: Trial) -> str:
    window = f" {trial.window}" if trial.window else ""
    return f"{trial.task} {trial.cell} {trial.distance} {trial.seed} {trial.lr!r}{window}"
