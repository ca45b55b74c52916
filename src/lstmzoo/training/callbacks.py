"""What happens around the training loop: checkpoints, early stopping, timing."""

import math
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping

from lstmzoo.models.checkpoint import open_checkpoint
from lstmzoo.training.ending import agree, diverged, is_finite
from lstmzoo.training.training_state import optimizers_finite


class Checkpoints(Checkpoint):
    """Keeps ``best.ckpt`` and ``last.ckpt``, saves once more before a SIGTERM ends the run, and stops at NaN.

    ``last.ckpt`` is written after every epoch. When SIGTERM arrives in the middle of an epoch it is written after the
    batch in work; when it arrives during validation, validation is finished first, so that the resumed run has lost
    nothing. Neither file ever holds a number that is not finite.

    Args:
        folder: where the files are kept.
        monitor: name of the validation result that says which checkpoint is best, of equal ones the last, which has
            learnt longest (few validation videos are soon all right); None: the last one is.
        mode: ``"max"`` or ``"min"``.
    """

    def __init__(self, folder: Path, monitor: str | None, mode: str) -> None:
        self.best_path, self.last_path = folder / "best.ckpt", folder / "last.ckpt"
        self.monitor = monitor
        self.sign = 1.0 if mode == "max" else -1.0
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self._measured = False

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._check_weights(trainer, pl_module)
            # Lightning would leave validation at once, in a state from which no resumed run can go on exactly.
            trainer._signal_connector.received_sigterm = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._measured = self._measured or not trainer.sanity_checking

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        sound, terminated = agree(trainer, outputs["loss"].detach().isfinite().all())
        if not sound:
            raise diverged("the loss", trainer, self.last_path)
        if terminated and batch_idx + 1 < trainer.num_training_batches:
            self._check_weights(trainer, pl_module)
            trainer.save_checkpoint(self.last_path)
            trainer._signal_connector.received_sigterm = True  # in all processes: Lightning leaves the loop

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        terminated = self._check_weights(trainer, pl_module)
        losses = [value for name, value in trainer.callback_metrics.items() if name.endswith("/loss")]
        if not all(loss.isfinite() for loss in losses):  # means over all processes: the same in each
            raise diverged("the validation loss", trainer, self.last_path)
        if self.monitor is None or (self._measured and self._is_best(trainer, self.monitor)):
            self.best_score = None if self.monitor is None else float(trainer.callback_metrics[self.monitor])
            self.best_epoch = trainer.current_epoch
            trainer.save_checkpoint(self.best_path)
        self._measured = False
        trainer.save_checkpoint(self.last_path)
        trainer._signal_connector.received_sigterm = terminated

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]

    def take_over(self) -> None:
        """Take over what forked or spawned processes found best: Lightning hands back only their weights."""
        self.load_state_dict(open_checkpoint(self.last_path)["callbacks"][self.state_key])

    def _is_best(self, trainer: Trainer, monitor: str) -> bool:
        score = float(trainer.callback_metrics[monitor])
        if math.isnan(score):
            return False
        return self.best_score is None or self.sign * score >= self.sign * self.best_score

    def _check_weights(self, trainer: Trainer, pl_module: LightningModule) -> bool:
        """Raise `Diverged` where weights or moments are not finite; say whether any process got SIGTERM."""
        sound, terminated = agree(trainer, is_finite(pl_module) and optimizers_finite(trainer.optimizers))
        if not sound:
            raise diverged("a weight, or a moment of the optimizer,", trainer, self.last_path)
        return terminated


class PatientStopping(EarlyStopping):
    """Early stopping whose patience can be changed when a run is resumed."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "patience": self.patience})


class Timing(Callback):
    """Logs the seconds of every training epoch, and the share of them spent waiting for the next batch."""

    def __init__(self) -> None:
        self.waited = self.worked = 0.0
        self._mark = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restart()  # a resumed run may begin in the middle of an epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._restart()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.waited += self._lap()

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.worked += self._lap()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._lap()  # validation is neither

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        total = self.waited + self.worked
        pl_module.log("seconds", total, sync_dist=True)
        pl_module.log("data_wait", self.waited / total if total else 0.0, sync_dist=True)

    def _restart(self) -> None:
        self.waited = self.worked = 0.0
        self._mark = time.perf_counter()

    def _lap(self) -> float:
        now = time.perf_counter()
        lap, self._mark = now - self._mark, now
        return lap
