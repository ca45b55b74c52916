"""Where the configurations lie, and what there is to choose from; knows nothing of Hydra."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lstmzoo.errors import LstmzooError


def config_dir() -> Path:
    """Return the folder of the configurations: inside the installed package, else at the top of the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs", package.parents[1] / "configs"):
        if (folder / "train.yaml").is_file():
            return folder
    raise LstmzooError(f"lstmzoo's configs were not found in {package} nor beside it; install lstmzoo again")


def groups(more: Iterable[Path] = ()) -> dict[str, list[str]]:
    """Return the config groups and the choices of each, e.g. ``{"model": ["action_rnn", ...], ...}``.

    Args:
        more: folders that hold further choices, in folders named like the groups.
    """
    names = sorted(path.name for path in config_dir().iterdir() if path.is_dir())
    places = [config_dir(), *more]
    return {name: sorted({file.stem for place in places for file in (place / name).glob("*.yaml")}) for name in names}
