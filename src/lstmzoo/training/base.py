"""What all tasks share: optimisation, truncated back-propagation through time, randomness, checkpoints."""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models import checkpoint_metadata, create_model
from lstmzoo.models.metadata import check_transform
from lstmzoo.models.registry import FROM_DATA
from lstmzoo.training.interface import TaskInterface
from lstmzoo.training.schedule import Constant, Cosine, Schedule, Training, learning_rate

Item = TypeVar("Item")
State = Any  # nested tuples, lists and dicts of tensors, or None


class BaseTask(LightningModule, TaskInterface):
    """A task: a model in training, the data that it takes, and what the commands do with a trained one.

    A subclass is registered by `register_task`. It writes what `TaskInterface` asks for; `loss`, or `window_loss` and
    `num_frames` where there are sequences of frames to go through; `validation_step` and `test_step`; and sets
    `monitor` and, at the end of a test, `results`. The arguments of its constructor, but for
    `NOT_SETTINGS`, are the keys of ``task=``.

    Every random number of a training step is drawn from a generator seeded with (seed, epoch, batch, process), so
    that a resumed run repeats nothing and misses nothing.

    Args:
        model: registered name of the model.
        model_args: its arguments.
        classes: class names in the order of the logits; none for captions.
        transform: what turns a file into the model's input; see `checkpoint_metadata`.
        config: the resolved configuration of the run; it travels in the checkpoint.
        seed: of the randomness in training.
        lr: peak learning rate.
        weight_decay: decoupled weight decay, per step times lr.
        warmup_epochs: epochs of linear warm-up from zero to lr.
        gradient_clip_val: largest norm of the gradient; null for no clipping.
        tbptt_window: frames per window of truncated back-propagation through time; null for the whole clip at once.
        start_from: a checkpoint or run folder to go on from; its model, weights and data are taken over.
        vocabulary: of a captioner, as `Vocabulary.to_dict` gives it.

    Raises:
        LstmzooError: a setting out of its range.
    """

    def __init__(
        self,
        model: str,
        model_args: dict[str, Any],
        *,
        classes: list[str],
        transform: dict[str, Any],
        config: dict[str, Any],
        seed: int = 0,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        warmup_epochs: float = 0.0,
        gradient_clip_val: float | None = 1.0,
        tbptt_window: int | None = None,
        start_from: str | Path | None = None,
        vocabulary: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        _check_positive(lr=lr, gradient_clip_val=gradient_clip_val)
        if tbptt_window is not None and (type(tbptt_window) is not int or tbptt_window < 1):
            raise LstmzooError(f"task.tbptt_window must be a number of frames or null, not {tbptt_window!r}")
        check_transform(transform, "data")  # what is trained can be loaded
        self.model: Any = create_model(model, **model_args)
        self.classes = classes
        self.vocabulary = vocabulary
        self.transform = transform
        self.config = config
        self.seed = seed
        self.lr, self.weight_decay = lr, weight_decay
        self.warmup_epochs, self.start_from = warmup_epochs, start_from
        self.optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW
        self.schedule: Schedule | partial[LRScheduler] = Cosine()
        self.gradient_clip_val = gradient_clip_val
        self.tbptt_window = tbptt_window
        self.automatic_optimization = tbptt_window is None
        self.results = None
        self._totals: dict[str, Tensor] = {}

    # --- what a task defines -------------------------------------------------------------------------------------

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

    @abstractmethod
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Measure a batch of the validation split; by the end of the epoch, `monitor` is logged."""

    @abstractmethod
    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Measure a batch of the test split; by the end of the test, `results` is set."""

    def record(self, name: str, total: Tensor, count: int) -> None:
        """Add to the mean of a number over the training epoch; it is logged as ``train/<name>``."""
        total = total.detach().float()
        update = torch.stack([total, total.new_tensor(count)])
        self._totals[name] = self._totals[name] + update if name in self._totals else update

    @property
    def testing(self) -> bool:
        """Whether a test is running, which a task without a trainer does not know of."""
        return self._trainer is not None and self._trainer.testing

    def of_all_processes(self, found: list[Item]) -> list[Item]:
        """Gather lists of picklable things from all processes into one; processes repeat some to be equally many."""
        if self.trainer.world_size == 1:
            return found
        parts: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(parts, found)
        return [item for part in parts for item in part]

    # --- a training step -----------------------------------------------------------------------------------------

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

    # --- optimisation --------------------------------------------------------------------------------------------

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

    def load_weights(self, model: Any) -> None:
        """Take over the weights of a model from ``lstmzoo.load``, and what belongs to them.

        Raises:
            RuntimeError: they do not fit.
        """
        self.model.load_state_dict(model.state_dict())
        self.model.checkpoint = getattr(model, "checkpoint", None)

    def inherit_weights(self, model: Any) -> list[str]:
        """Take over the weights of a model that was trained on other data, all but those that number its classes.

        Returns:
            The names of the weights that are trained from scratch, because there are other classes.

        Raises:
            CheckpointError: they do not fit.
        """
        own, given = self.model.state_dict(), model.state_dict()
        other = [name for name in own if name in given and own[name].shape != given[name].shape]
        same_classes = all(model.model_args.get(key) == self.model.model_args.get(key) for key in FROM_DATA)
        if own.keys() != given.keys() or (other and same_classes):
            raise CheckpointError(
                f"the weights of {self.start_from} ({model.model_name}) do not fit the model {self.model.model_name} "
                f"and its settings: {', '.join(other or sorted(own.keys() ^ given.keys()))[:300]}"
            )
        self.model.load_state_dict({name: own[name] if name in other else given[name] for name in own})
        return other

    # --- checkpoints ---------------------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["train_totals"] = {name: total.cpu() for name, total in self._totals.items()}
        checkpoint["lstmzoo"] = checkpoint_metadata(
            self.model.model_name,
            self.model.model_args,
            classes=self.classes,
            transform=self.transform,
            data=self.config.get("data", {}),
            config=self.config,
            vocabulary=self.vocabulary,
        )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._totals = {name: total.to(self.device) for name, total in checkpoint.get("train_totals", {}).items()}


def windows(length: int, window: int) -> list[slice]:
    """Cut a clip of `length` frames into windows; the last one holds what is left."""
    return [slice(start, min(start + window, length)) for start in range(0, length, window)]


def step_seed(seed: int, epoch: int, batch: int, rank: int) -> int:
    """Return a 63-bit seed that depends on all four numbers, without pattern from one step to the next."""
    state = np.random.SeedSequence([seed, epoch, batch, rank]).generate_state(1, np.uint64)[0]
    return int(state >> np.uint64(1))


def _check_positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not value > 0:
            raise LstmzooError(f"task.{name} must be greater than 0, not {value}")
