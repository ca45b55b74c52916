"""Loading a model for use from the command line, on the device that was asked for."""

from pathlib import Path
from typing import Any

import torch

from lstmzoo.errors import LstmzooError
from lstmzoo.models.checkpoint import load
from lstmzoo.models.encoders import fold_encoders


def load_model(path: str | Path, device: str) -> Any:
    """Load a checkpoint onto a device for use, not for training, see `fold_encoders`.

    Args:
        path: a checkpoint or a run folder.
        device: ``auto`` (the first GPU if there is one, else the CPU) or any device torch knows, e.g. ``cuda:1``.

    Raises:
        CheckpointError: missing, damaged or foreign checkpoint.
        LstmzooError: there is no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    model = fold_encoders(load(Path(path).expanduser()))
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise LstmzooError(f"cannot use device {device!r}: {reason}; device=cpu always works") from error
