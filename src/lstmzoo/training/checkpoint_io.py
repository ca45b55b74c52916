"""Checkpoints of a run as files: written as a whole or not at all, and the one to go on from."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch.utilities import rank_zero_warn

from lstmzoo.errors import CheckpointError, DataWarning
from lstmzoo.io.atomic import write_atomically
from lstmzoo.models.checkpoint import open_checkpoint
from lstmzoo.models.checkpoint_file import read
from lstmzoo.training.training_state import check_training_state


class WholeFiles(CheckpointIO):
    """Writes a checkpoint beside its final place and moves it there when all of it is on the disk.

    Lightning's own way stages it in the folder for temporary files; where that is another file system, it is copied
    over the old checkpoint, and a process that dies meanwhile leaves neither.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()  # torch.save hides the system's reason when it cannot write to a file
        torch.save(checkpoint, buffer)
        write_atomically(Path(path), buffer.getbuffer())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        if weights_only is None:  # Lightning fetches the last weights of processes that it forked or spawned itself
            return read(Path(path))
        return open_checkpoint(path)

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def newest_checkpoint(folder: Path) -> Path:
    """Choose the checkpoint from which a run goes on: ``last.ckpt``, or ``best.ckpt`` where that one is of no use.

    Raises:
        CheckpointError: there is none, or none can be read; the message says why.
    """
    reasons = []
    for path in (folder / "checkpoints" / "last.ckpt", folder / "checkpoints" / "best.ckpt"):
        if not path.is_file():
            reasons.append(f"{path} is missing")
            continue
        try:
            check_training_state(open_checkpoint(path), path)
        except CheckpointError as error:
            reasons.append(str(error))
            continue
        if reasons:
            rank_zero_warn(f"{reasons[0]}; going on from {path.name} instead", category=DataWarning)
        return path
    if all(reason.endswith("is missing") for reason in reasons):
        raise CheckpointError(f"resume: {folder} has no checkpoint: the run ended before its first one; start it again")
    raise CheckpointError(f"resume: {' and '.join(reasons)}: there is nothing to go on from; start the run again")
