"""Truncated back-propagation through time, against full back-propagation and a loop written out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from lstmzoo.actions.task import RecognitionTask
from lstmzoo.models import create_model, list_models, register_model
from lstmzoo.training.base import BaseTask
from lstmzoo.training.optimization import windows
from lstmzoo.training.schedule import Constant

LENGTH = 12
SMALL = {"num_classes": 3, "hidden_size": 5, "feature_size": 4}
COMMON = {"classes": ["a", "b", "c"], "transform": {}, "config": {}, "gradient_clip_val": None}


class Gradients(Callback):
    """Keeps the gradients with which the first step was made."""

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: BaseTask, optimizer: torch.optim.Optimizer) -> None:
        self.found = {name: p.grad.clone() for name, p in pl_module.named_parameters() if p.grad is not None}


def batch(size: int = 3, length: int = LENGTH) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    video = torch.randint(0, 256, (size, length, 1, 32, 32), dtype=torch.uint8, generator=generator)
    return {"video": video, "label": torch.arange(size) % 3}


def fit(task: BaseTask, data: Any) -> dict[str, Tensor]:
    """One optimiser step in float64; returns its gradients."""
    gradients = Gradients()
    trainer = Trainer(
        max_steps=1,
        accelerator="cpu",
        precision="64-true",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[gradients],
    )
    trainer.fit(task, DataLoader([data], batch_size=None))
    return gradients.found


def recognition(window: int | None, model: str = "action_rnn", **changes: Any) -> RecognitionTask:
    torch.manual_seed(0)
    task = RecognitionTask(model, {**SMALL, **changes}, tbptt_window=window, label_smoothing=0.0, **COMMON)
    task.use(torch.optim.AdamW, Constant())
    return task


def largest_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("model", sorted(name for name in list_models("action_*")))
@pytest.mark.parametrize("window", [LENGTH, LENGTH + 5])
def test_a_window_over_the_whole_clip_is_full_backpropagation(model: str, window: int) -> None:
    full = fit(recognition(None, model), batch())
    truncated = fit(recognition(window, model), batch())
    assert all(gradient.dtype == torch.float64 for gradient in full.values())
    assert largest_difference(full, truncated) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "input"), [("lstm", "grey"), ("gru", "grey+difference"), ("rnn_tanh", "grey")])
@pytest.mark.parametrize("window", [1, 5])
def test_smaller_windows_equal_the_loop_written_out(window: int, cell: str, input: str) -> None:
    found = fit(recognition(window, cell=cell, input=input, dropout=0.0), batch())

    torch.manual_seed(0)
    model = create_model("action_rnn", **SMALL, cell=cell, input=input, dropout=0.0).double()
    data, state = batch(), None
    for first in range(0, LENGTH, window):
        chunk = data["video"][:, first : first + window]
        logits, state = model.forward_frames(chunk, state)
        (F.cross_entropy(logits[:, -1], data["label"]) * chunk.shape[1] / LENGTH).backward()
        state = model.detach_state(state)
    expected = {f"model.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert largest_difference(found, expected) < 1e-10

    full = fit(recognition(None, cell=cell, input=input, dropout=0.0), batch())
    assert largest_difference(found, full) > 1e-4


@register_model("test_running_sum")
class RunningSum(torch.nn.Module):
    """A toy with a target for every frame: y_t = w Σ x up to t."""

    def __init__(self, num_classes: int = 1) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        sums = x.cumsum(1) + (0 if state is None else state)
        return self.w * sums, sums[:, -1:]

    def detach_state(self, state: Tensor) -> Tensor:
        return state.detach()


class FrameTask(BaseTask):
    """A task with a loss at every frame."""

    dummy_batch = from_config = inspector = open_data = predictor = test_step = validation_step = None  # type: ignore[assignment]

    def window_loss(self, batch: dict[str, Tensor], frames: slice, state: Any) -> tuple[Tensor, Any]:
        y, state = self.model(batch["x"][:, frames], state)
        return F.mse_loss(y, batch["y"][:, frames]), state

    def num_frames(self, batch: dict[str, Tensor]) -> int:
        return batch["x"].shape[1]


@pytest.mark.parametrize("window", [1, 3, 5, 7, 9])
def test_frames_weigh_the_same_in_windows_of_any_length(window: int) -> None:
    # Here no gradient flows through the state, so that every window size must give the gradient of the whole.
    data = {"x": torch.randn(2, 7, dtype=torch.float64), "y": torch.randn(2, 7, dtype=torch.float64)}
    truncated = fit(FrameTask("test_running_sum", {}, tbptt_window=window, **COMMON), data)
    full = fit(FrameTask("test_running_sum", {}, tbptt_window=None, **COMMON), data)
    assert largest_difference(full, truncated) < 1e-12


def test_only_one_window_is_held_in_memory() -> None:
    def peak(window: int | None) -> int:
        """The most bytes of activations that were kept for backward at any time."""
        held = most = 0

        class Kept:
            def __init__(self, tensor: Tensor) -> None:
                nonlocal held, most
                self.tensor, self.size = tensor, tensor.numel() * tensor.element_size()
                held += self.size
                most = max(most, held)

            def __del__(self) -> None:
                nonlocal held
                held -= self.size

        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            fit(recognition(window), batch(length=32))
        return most

    assert peak(4) < 0.3 * peak(None)


def test_gradients_are_clipped_in_both_ways() -> None:
    for window in (None, 4):
        task = recognition(window)
        task.gradient_clip_val = 1e-3
        gradients = fit(task, batch())
        norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
        if window is None:  # there they are clipped after the hook that looks at them
            norm = torch.stack([p.grad.norm() for p in task.parameters() if p.grad is not None]).norm()
        assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_windows_cover_the_clip_once() -> None:
    assert windows(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert windows(6, 3) == [slice(0, 3), slice(3, 6)]
    assert windows(2, 5) == [slice(0, 2)]
