"""New models, and models with the weights of this package."""

import math
from pathlib import Path
from typing import Any

from torch import nn

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.models.checkpoint import load
from lstmzoo.models.model_registry import build_model
from lstmzoo.models.pretrained.names import shipped
from lstmzoo.models.pretrained.weights_folder import check_single, read_config
from lstmzoo.registry import models
from lstmzoo.settings import settings_of


def create_model(name: str, pretrained: str | None = None, **overrides: Any) -> nn.Module:
    """Build a registered model.

    The model remembers ``model.model_name`` and ``model.model_args`` (every argument, defaults included), so that a
    checkpoint stays loadable when a default changes later.

    Args:
        name: one of :func:`list_models`.
        pretrained: the data of weights in this package, e.g. ``"kth_simulated"``, or their name, e.g.
            ``"kth_sim_lstm"`` (``lstmzoo list weights``): the model with them, as ``lstmzoo.load`` gives it. None: new
            weights.
        **overrides: arguments of the model, in place of its defaults. They also choose among several weights of the
            same data; else those with default arguments are meant, else those with the best score on their card.

    Returns:
        The model, in training mode.

    Raises:
        LstmzooError: an unknown name, an unknown, missing, non-primitive or impossible argument, or no weights, or
            several, for this tag and these arguments.
    """
    if not pretrained:
        return build_model(name, **overrides)
    if pretrained in shipped():
        check_single(Path(pretrained), f"model {name!r}")
    return load(_find_weights(name, pretrained, overrides)).train()


def _find_weights(name: str, tag: str, overrides: dict[str, Any]) -> str:
    """The name of the weights for a model, a tag and arguments."""
    usual = {key: setting.default for key, setting in settings_of(models.get(name).target).items()}
    stored = {weights: read_config(folder) for weights, folder in shipped().items()}
    single = {weights: config for weights, config in stored.items() if "members" not in config}
    own = {weights: config for weights, config in single.items() if config["lstmzoo"]["model"]["name"] == name}
    tags = {weights: {weights, config["lstmzoo"]["data"].get("name", weights)} for weights, config in own.items()}
    tagged = [weights for weights in own if tag in tags[weights]]
    if not tagged:
        known = sorted({one for some in tags.values() for one in some})
        raise LstmzooError(f"model {name!r}: {unknown_choice('pretrained weights', tag, known)}")
    arguments = {weights: own[weights]["lstmzoo"]["model"]["args"] for weights in tagged}
    fitting = [one for one in tagged if all(arguments[one].get(key) == value for key, value in overrides.items())]
    differing = {
        key for one in fitting for key, value in arguments[one].items() if value != arguments[fitting[0]].get(key)
    }
    as_usual = [one for one in fitting if all(arguments[one].get(key) == usual.get(key) for key in differing)]
    best = max((_score(stored[one]) for one in fitting), default=0.0)
    for chosen in (as_usual, [one for one in fitting if _score(stored[one]) == best]):
        if len(chosen) == 1:
            return chosen[0]
    if fitting:
        raise LstmzooError(f"model {name!r}: pretrained={tag!r} means one of {', '.join(fitting)}; give its name")
    reasons = ", ".join(
        f"{one} has {key}={arguments[one].get(key)!r}, not {value!r}"
        for one in tagged
        for key, value in overrides.items()
        if arguments[one].get(key) != value
    )
    raise LstmzooError(
        f"model {name!r}: no weights for pretrained={tag!r} and these arguments: {reasons}. For other classes: "
        "lstmzoo train task.start_from=NAME"
    )


def _score(config: dict[str, Any]) -> float:
    """What the card of weights says first of them; every task names a score of which more is better."""
    card = config.get("card") or {}
    metrics = card.get("metrics") or [{"values": {}}]
    return float(metrics[0]["values"].get(card.get("headline"), -math.inf))
