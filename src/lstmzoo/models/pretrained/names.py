"""The weights that are part of this package, by name: every folder in ``models/weights/`` is one."""

import os
from pathlib import Path

from lstmzoo.errors import unknown_choice

SHIPPED = Path(__file__).parents[1] / "weights"

CONFIG, TENSORS, CARD = "config.json", "model.safetensors", "README.md"
"""The files of a folder of weights."""


def shipped() -> dict[str, Path]:
    """Return the folders of the weights in this package, by name."""
    return {file.parent.name: file.parent for file in sorted(SHIPPED.glob(f"*/{CONFIG}"))}


def weights_file(folder: Path) -> Path:
    """The file that stands for a folder of weights: its tensors, or the config of an ensemble, which has none."""
    tensors = folder / TENSORS
    return folder / CONFIG if (folder / CONFIG).is_file() and not tensors.is_file() else tensors


def is_name(place: str | os.PathLike[str]) -> bool:
    """Whether a text means weights in this package; what exists as a file or a folder wins."""
    return not os.path.exists(place) and str(place) in shipped()


def unknown_weights(name: str) -> str:
    """Word the message for a name of which there are no weights, no file and no folder."""
    return (
        f"{unknown_choice('weights', name, shipped())}. There is no file or folder of this name either; pass one of "
        "these names, a .ckpt file, a run folder, or a folder that lstmzoo export wrote"
    )
