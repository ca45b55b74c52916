"""How the weights of a task are trained: losses, truncated back-propagation through time, optimizer, learning rate."""

import math
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from lstmzoo.errors import LstmzooError
from lstmzoo.training.schedule import Constant, Cosine, Schedule, Training, learning_rate

State = Any  # nested tuples, lists and dicts of tensors, or None


class Optimization(LightningModule):
    """The training of `lstmzoo.training.base.BaseTask`, whose arguments of the same names these are."""

    model: Any
    seed: int
    monitor: tuple[str, str]

    def __init__(
        self,
        lr: float,
        weight_decay: float,
        warmup_epochs: float,
        gradient_clip_val: float | None,
        tbptt_window: int | None,
    ) -> None:
        super().__init__()
        for name, value in (("lr", lr), ("gradient_clip_val", gradient_clip_val)):
            if value is not None and not value > 0:
                raise LstmzooError(f"task.{name} must be greater than 0, not {value}")
        if tbptt_window is not None and (type(tbptt_window) is not int or tbptt_window < 1):
            raise LstmzooError(f"task.tbptt_window must be a number of frames or null, not {tbptt_window!r}")
        self.lr, self.weight_decay, self.warmup_epochs = lr, weight_decay, warmup_epochs
        self.optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW
        self.schedule: Schedule | partial[LRScheduler] = Cosine(epochs=None)
        self.gradient_clip_val, self.tbptt_window = gradient_clip_val, tbptt_window
        self.automatic_optimization = tbptt_window is None
        self._totals: dict[str, Tensor] = {}

    def loss(self, batch: dict[str, Any]) -> Tensor:
        """Return the mean loss over a batch, a scalar with gradient."""
        return self.window_loss(batch, slice(None), None)[0]

    def window_loss(self, batch: dict[str, Any], frames: slice, state: State) -> tuple[Tensor, State]:
        """Return the mean loss over some frames of a batch of clips.

        Args:
            batch: from the data loader.
            frames: which frames of the clips; ``slice(None)`` for all.
            state: what the frames before these left in memory; None at the start of the clips.

        Returns:
            The loss, a scalar with gradient, and the state for the next frames.
        """
        raise NotImplementedError

    def num_frames(self, batch: dict[str, Any]) -> int:
        """Return the number of frames of the clips of a batch (T)."""
        raise NotImplementedError

    def record(self, name: str, total: Tensor, count: int) -> None:
        """Add to the mean of a number over the training epoch; it is logged as ``train/<name>``."""
        total = total.detach().float()
        update = torch.stack([total, total.new_tensor(count)])
        self._totals[name] = self._totals[name] + update if name in self._totals else update

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        torch.manual_seed(step_seed(self.seed, self.current_epoch, batch_idx, self.global_rank))
        lr = self.learning_rate(self.global_step)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["weight_decay"] = self.weight_decay
                if lr is not None:
                    group["lr"] = lr * group.get("lr_scale", 1.0)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        loss = self.loss(batch) if self.automatic_optimization else self._truncated_step(batch)
        self.record("loss", loss.detach(), 1)
        return loss

    def _truncated_step(self, batch: dict[str, Any]) -> Tensor:
        """One optimiser step by truncated back-propagation through time (Williams & Peng 1990).

        The clip is cut into windows. The state is carried from window to window but no gradient flows back through
        it, so that only one window's activations are ever in memory. The loss is the mean over the windows, each
        weighted by its number of frames; the gradients of the windows add up to its (truncated) gradient.
        """
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        assert self.tbptt_window is not None
        optimizer.zero_grad()
        length = self.num_frames(batch)
        state, total = None, torch.zeros((), device=self.device)
        for frames in windows(length, self.tbptt_window):
            loss, state = self.window_loss(batch, frames, state)
            loss = loss * ((frames.stop - frames.start) / length)
            self.manual_backward(loss)
            state = self.model.detach_state(state)
            total = total + loss.detach()
        self.clip_gradients(optimizer.optimizer, gradient_clip_val=self.gradient_clip_val)
        optimizer.step()
        return total

    def on_train_epoch_end(self) -> None:
        for name, total in self._totals.items():
            total = self.trainer.strategy.reduce(total, reduce_op="sum")
            self.log(f"train/{name}", total[0] / total[1], sync_dist=True)
        self._step_plateaus()
        self._totals = {}
        lr = self.learning_rate(self.global_step - 1)
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"] if lr is None else lr, sync_dist=True)

    def parameter_groups(self) -> Iterable[Any]:
        """Return what is trained: parameters, or groups of them, each perhaps with an ``lr_scale``."""
        return self.parameters()

    def use(self, optimizer: Callable[..., torch.optim.Optimizer], schedule: Schedule | partial[LRScheduler]) -> None:
        """Set what is trained with.

        Args:
            optimizer: makes an optimizer of parameters, lr and weight_decay.
            schedule: of the learning rate, or what makes a scheduler of torch of an optimizer.

        Raises:
            LstmzooError: they do not go with the task's settings.
        """
        if isinstance(schedule, partial) and not self.automatic_optimization:
            raise LstmzooError("task.tbptt_window goes with scheduler=constant, cosine, step or one_cycle only")
        self.optimizer, self.schedule = optimizer, schedule

    def _step_plateaus(self) -> None:
        """Step schedulers that look at the validation; Lightning would, too, but after the epoch's checkpoint."""
        name = self.monitor[0]
        if (self.current_epoch + 1) % (self.trainer.check_val_every_n_epoch or 1):
            return
        for config in self.trainer.lr_scheduler_configs:
            if config.reduce_on_plateau:
                if name not in self.trainer.callback_metrics:
                    raise LstmzooError(f"scheduler=plateau goes by {name}, and nothing is validated; choose another")
                config.scheduler.step(self.trainer.callback_metrics[name])  # type: ignore[arg-type]

    def configure_optimizers(self) -> Any:
        options: dict[str, Any] = {"lr": self.lr, "weight_decay": self.weight_decay}
        if self.optimizer is torch.optim.AdamW:  # Lightning does not clip for a fused one in mixed precision
            options["fused"] = "mixed" not in str(self.trainer.precision)
        optimizer = self.optimizer(self.parameter_groups(), **options)
        if not isinstance(self.schedule, partial):
            return optimizer
        monitor, mode = self.monitor
        plateau = self.schedule.func is torch.optim.lr_scheduler.ReduceLROnPlateau
        scheduler = self.schedule(optimizer, **({"mode": mode} if plateau else {}))
        chosen = {"scheduler": scheduler, "monitor": monitor, "frequency": sys.maxsize if plateau else 1}
        return {"optimizer": optimizer, "lr_scheduler": chosen}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by this task's own value: automatic and truncated steps share it, the Trainer's does not know of it."""
        self.clip_gradients(optimizer, gradient_clip_val=self.gradient_clip_val)

    def learning_rate(self, step: int) -> float | None:
        """Return the learning rate of an optimizer step, counted from 0; None where a scheduler of torch has set it."""
        trainer = self.trainer
        per_epoch = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
        training = Training(trainer.estimated_stepping_batches, self.warmup_epochs * per_epoch, per_epoch)
        if isinstance(self.schedule, partial):
            return learning_rate(step, self.lr, Constant(), training) if step <= training.warmup else None
        return learning_rate(step, self.lr, self.schedule, training)

    def on_fit_start(self) -> None:
        if not self.automatic_optimization and str(self.trainer.precision).startswith("16"):
            raise LstmzooError("task.tbptt_window does not go with trainer.precision=16-mixed; use bf16-mixed")


def encoder_groups(model: Any, lr: float, encoder_lr: float | None) -> list[dict[str, Any]]:
    """Return the groups of parameters for an optimiser: the encoder's learn at a rate of their own, or not at all."""
    groups: list[dict[str, Any]] = [
        {"params": [p for name, p in model.named_parameters() if not name.startswith("encoder.")]}
    ]
    if encoder_lr is not None:
        groups.append({"params": list(model.encoder.parameters()), "lr_scale": encoder_lr / lr})
    return groups


def windows(length: int, window: int) -> list[slice]:
    """Cut a clip of `length` frames into windows; the last one holds what is left."""
    return [slice(start, min(start + window, length)) for start in range(0, length, window)]


def step_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """Return a 63-bit seed that depends on all four numbers, without pattern from one step to the next."""
    state = np.random.SeedSequence([seed, epoch, batch, rank]).generate_state(1, np.uint64)[0]
    return int(state >> np.uint64(1))
