"""What predict and inspect have in common for captioners: who speaks, and how."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from omegaconf import DictConfig

from lstmzoo.captioning.models.decode import Decoding
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.errors import LstmzooError
from lstmzoo.runs.device import load_model


def decoding_of(config: DictConfig) -> Decoding:
    """How sentences are made; a wish for many is a wish for a beam that holds them."""
    options = {field.name: config[field.name] for field in fields(Decoding)}
    if options["method"] == "beam":
        options["beam_size"] = max(options["beam_size"], options["num_captions"])
    return Decoding(**options)


def speaker_of(config: DictConfig) -> Any:
    """The captioner of ``ckpt_path``, or its ensemble with those of ``ensemble``.

    Raises:
        CheckpointError: one of them cannot be read.
        LstmzooError: they can't speak as one.
    """
    model = load_model(config.ckpt_path, config.device)
    if not config.ensemble:
        return model
    others = [load_model(path, config.device) for path in config.ensemble]
    if not all(hasattr(other, "words") for other in others):
        raise LstmzooError("an ensemble of captioners has room for captioners only")
    return Ensemble([model, *others])
