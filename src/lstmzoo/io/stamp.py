"""With what and when something was measured."""

from datetime import datetime

import torch

from lstmzoo.version import __version__


def stamp() -> dict[str, str]:
    """Return the versions of lstmzoo and torch, and the time."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return {"lstmzoo": __version__, "torch": torch.__version__, "date": now}
