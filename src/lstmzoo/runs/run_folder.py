"""A run folder: config.yaml, versions.json, metrics.csv, metrics.json, curves.png, checkpoints/."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from omegaconf import DictConfig, OmegaConf

from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import write_atomically, write_json
from lstmzoo.io.wording import why_unreadable
from lstmzoo.models.metadata import check_plain
from lstmzoo.models.upgrades import upgrade_config

LARGEST_CONFIG = 1_000_000


def write_config(folder: Path, config: DictConfig) -> None:
    """Write the resolved configuration to ``config.yaml``."""
    write_atomically(folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration of a run, as it stands there: nothing in it is resolved.

    Raises:
        LstmzooError: there is no such run, or its config.yaml is broken.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        what = "has no config.yaml" if folder.is_dir() else "does not exist"
        raise LstmzooError(
            f"resume: the run folder {folder} {what}; give the folder that holds config.yaml and checkpoints"
        )
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise ValueError(f"it is larger than {LARGEST_CONFIG:,} bytes")
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:  # not UTF-8, an endless number, too deep
        raise LstmzooError(f"{path} cannot be read: {why_unreadable(error)}") from error
    if not isinstance(config, dict):
        raise LstmzooError(f"{path} is not the configuration of a run")
    check_plain(config, str(path))
    upgrade_config(config)
    return config


def write_versions(folder: Path) -> None:
    """Write ``versions.json``: what the run was made with."""
    import cv2
    import hydra
    import lightning
    import numpy
    import torch

    import lstmzoo

    write_json(
        folder / "versions.json",
        {
            "lstmzoo": lstmzoo.__version__,
            "git": git_revision(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "torch": torch.__version__,
            "timm": version("timm"),
            "lightning": lightning.__version__,
            "hydra": hydra.__version__,
            "numpy": numpy.__version__,
            "cv2": cv2.__version__,
        },
    )


def git_revision() -> str | None:
    """Return the git revision of the checkout that lstmzoo runs from; None where there is none."""
    here = Path(__file__).resolve()
    if not (here.parents[3] / ".git").exists():  # src/lstmzoo/cli: an installed package has no checkout around it
        return None
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=here.parent, capture_output=True, text=True
        )
    except OSError:
        return None
    return answer.stdout.strip() or None
