"""The models behind the page, loaded when they are first used, and their gates held where the page says."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import gradio
import torch
from gradio.components import Component

from lstmzoo import nn
from lstmzoo.runs.device import load_model

CANDIDATE = torch.tanh  # gates with it say what is written, not whether


@cache
def loaded(place: str) -> Any:
    """The model of a checkpoint, a run folder or a name."""
    return load_model(place, "auto")


def gates_of(model: torch.nn.Module) -> list[str]:
    """The gates of a model's cells that open and shut; none without memory."""
    cells = [module.cell for module in model.modules() if isinstance(module, nn.Recurrent)]
    return [name for name, squash in cells[0].gates.items() if squash is not CANDIDATE] if cells else []


def gate_sliders(gates: Sequence[str]) -> list[Component]:
    """Controls for every gate: whether it is held, and where; none without gates."""
    if not gates:
        return []
    with gradio.Accordion("Hold gates", open=False):
        chosen = gradio.CheckboxGroup(list(gates), label="Which: f decides what is kept, i what is written")
        return [chosen, *(gradio.Slider(0, 1, 1, step=0.05, label=f"{gate} = ") for gate in gates)]


@contextmanager
def held(model: torch.nn.Module, controls: Sequence[Any]) -> Iterator[None]:
    """Hold gates as the controls of `gate_sliders` say; the others do what they have learnt."""
    values: Mapping[str, float] = {}
    if controls:
        chosen, *positions = controls
        values = {gate: at for gate, at in zip(gates_of(model), positions, strict=True) if gate in chosen}
    if not values:
        yield
        return
    with nn.clamp(model, **values):
        yield
