"""What numbers were measured on: it stands beside them, and results of other options are never overwritten."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmzoo.errors import LstmzooError
from lstmzoo.io.stamp import stamp
from lstmzoo.models.checkpoint_file import find
from lstmzoo.models.pretrained.weights_folder import fingerprint
from lstmzoo.runs.inside import check_inside
from lstmzoo.runs.run_folder import git_revision

SAME = ("sha256", "split", "overrides")
"""Results that agree in these may replace each other."""

LARGEST = 100_000_000
"""Bytes of a metrics.json that may be ours."""

OWN_TEST = "eval_test"
"""The folder in which training leaves its own test."""


@dataclass(frozen=True)
class Measured:
    """A measurement of a checkpoint."""

    checkpoint: Path  # the file, or its run folder
    split: str  # train, val or test
    overrides: tuple[str, ...] = ()  # what the command line changed, as it was written

    def as_dict(self) -> dict[str, Any]:
        """Return it with the checkpoint's digest, the versions, the commit and the time, ready for JSON."""
        return {
            "checkpoint": str(find(self.checkpoint).absolute()),
            "sha256": fingerprint(self.checkpoint),
            "split": self.split,
            "overrides": sorted(self.overrides),
            **stamp(),
            "commit": git_revision(),
        }


def results_folder(asked: Path | None, usual: Path, measured: Measured) -> Path:
    """Choose the folder of the results.

    Args:
        asked: the folder that the command line names; None for the usual one.
        usual: the folder otherwise; where it holds other results, or is that of the run's own test and there are
            overrides, ``<usual>_2``, ``_3``, ...
        measured: what is going to be measured.

    Raises:
        LstmzooError: the folder asked for holds results of other options, or the usual one leads out of the run.
    """
    wanted = measured.as_dict()
    if asked is not None:
        if _may_be_written(asked, wanted):
            return asked
        raise LstmzooError(
            f"output={asked} holds the results of another checkpoint, split or other options (see metrics.json there); "
            "choose another folder, or delete that one"
        )
    folder, number = usual, 2
    check_inside(folder, folder.parent)
    while (folder.name == OWN_TEST and measured.overrides) or not _may_be_written(folder, wanted):
        folder, number = usual.with_name(f"{usual.name}_{number}"), number + 1
        check_inside(folder, folder.parent)
    return folder


def _may_be_written(folder: Path, wanted: dict[str, Any]) -> bool:
    """Whether a folder holds no results, or results of the same options."""
    file = folder / "metrics.json"
    if not file.is_file():
        return not os.path.lexists(file)
    try:
        if file.stat().st_size > LARGEST:
            return False
        found = json.loads(file.read_text(encoding="utf-8"))["measured"]
        return all(found[key] == wanted[key] for key in SAME)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # of another version, or something else
        return False
