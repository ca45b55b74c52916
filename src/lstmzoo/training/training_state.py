"""What a checkpoint holds for a training that goes on, checked before anything of it is used, and put back."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models.metadata import brief

MOST = 2**40
"""More epochs, steps or batches no run has."""

OLDEST = 2
"""Lightning's first version that wrote checkpoints of ours."""

PROGRESS = ("epoch_progress", "epoch_loop.batch_progress", "epoch_loop.state_dict")
"""Those parts of the training loop's state that say how far it is."""

COUNTS = ("ready", "started", "processed", "completed")


def check_training_state(checkpoint: dict[str, Any], path: Path) -> None:
    """Check the entries that Lightning and our callbacks put back.

    Raises:
        CheckpointError: an entry is missing, of another type, or holds numbers that are not finite.
    """
    parts = {
        "epoch": _counts,
        "global_step": _counts,
        "pytorch-lightning_version": _is_version,
        "loops": _are_loops,
        "callbacks": _are_callbacks,
        "optimizer_states": _are_optimizers,
        "lr_schedulers": lambda value: isinstance(value, list),
    }
    if missing := [key for key in parts if key not in checkpoint]:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}, which resuming needs")
    parts["train_totals"] = _are_totals
    if wrong := [key for key, sound in parts.items() if not sound(checkpoint.get(key, {}))]:
        raise CheckpointError(f"{path} has {wrong[0]}={brief(checkpoint[wrong[0]])}; no training can resume from that")
    if not all(_finite(tensor) for tensor in _tensors(checkpoint["optimizer_states"])):
        raise CheckpointError(f"{path}: what its optimizer holds is not finite (nan or infinity)")


class Restoring(_CheckpointConnector):
    """Puts back what a checkpoint holds, or raises one message; Lightning and torch raise whatever they come across.

    The moments of the optimizer come from the checkpoint; its options are those that this run is set to, but for the
    learning rate where a scheduler of torch has set it.
    """

    def _restore_modules_and_callbacks(self, checkpoint_path: Any = None, weights_only: Any = None) -> None:
        with self._one_message(checkpoint_path):
            super()._restore_modules_and_callbacks(checkpoint_path, weights_only)

    def restore_training_state(self) -> None:
        with self._one_message(self._ckpt_path):
            super().restore_training_state()
            said = [self._loaded_checkpoint.get(key) for key in ("epoch", "global_step")]
            found = [self.trainer.current_epoch, self.trainer.global_step]
            if self.trainer.state.fn == TrainerFn.FITTING and self._loaded_checkpoint and said != found:
                raise ValueError(f"it says epoch and step {said}, but its loops are at {found}")

    def restore_optimizers(self) -> None:
        groups = [group for optimizer in self.trainer.optimizers for group in optimizer.param_groups]
        kept = {"params"} | ({"lr", "initial_lr"} if self.trainer.lr_scheduler_configs else set())
        options = [{key: value for key, value in group.items() if key not in kept} for group in groups]
        super().restore_optimizers()
        groups = [group for optimizer in self.trainer.optimizers for group in optimizer.param_groups]
        for group, own in zip(groups, options, strict=True):
            group.update(own)
            if not (isinstance(group["lr"], float | int) and 0 <= group["lr"] < math.inf):
                raise ValueError(f"its learning rate is {brief(group['lr'])}")
        for optimizer in self.trainer.optimizers:
            self._check_moments(optimizer)

    def restore_lr_schedulers(self) -> None:
        states = self._loaded_checkpoint["lr_schedulers"] if self._loaded_checkpoint else []
        for config, state in zip(self.trainer.lr_scheduler_configs, states, strict=bool(self._loaded_checkpoint)):
            if not _are_alike(state, config.scheduler.state_dict()):
                raise ValueError("the state of its scheduler is that of another one")
        super().restore_lr_schedulers()

    def _check_moments(self, optimizer: torch.optim.Optimizer) -> None:
        """What is kept of each weight must be of the form that a new optimizer gives it in its first step."""
        make: Any = self.trainer.lightning_module.optimizer
        trained = [one for group in optimizer.param_groups for one in group["params"] if one.requires_grad]
        for parameter in [one for one in trained if one in optimizer.state] or trained[:1]:
            probe = torch.nn.Parameter(torch.zeros_like(parameter))
            probe.grad = torch.zeros_like(probe)
            new = make([probe], lr=0.0, weight_decay=0.0)
            new.step()
            if not _are_moments(optimizer.state.get(parameter, {}), new.state.get(probe, {})):
                raise ValueError("the optimizer's moments do not fit the weights")

    @contextmanager
    def _one_message(self, path: Any) -> Iterator[None]:
        try:
            yield
        except LstmzooError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:400]
            raise CheckpointError(
                f"{path} does not fit what is to be trained ({type(error).__name__}: {reason}). Leave out changes of "
                "model.* and data.* that its weights cannot follow; if there are none, the file is damaged: move it "
                "away, and resume again from the other checkpoint of the run"
            ) from error


def optimizers_finite(optimizers: list[Any]) -> bool:
    """Whether all that optimizers hold is finite."""
    return all(_finite(tensor) for optimizer in optimizers for tensor in _tensors([*optimizer.state.values()]))


def _counts(value: Any) -> bool:
    return type(value) is int and 0 <= value < MOST


def _is_version(value: Any) -> bool:
    major = value.partition(".")[0] if isinstance(value, str) else ""
    return major.isascii() and major.isdigit() and int(major[:4]) >= OLDEST


def _are_loops(value: Any) -> bool:
    loop = value.get("fit_loop") if isinstance(value, dict) else None
    if not isinstance(loop, dict) or not all(isinstance(loop.get(key), dict) for key in PROGRESS):
        return False
    progress = [loop[key].get(part) for key in PROGRESS[:2] for part in ("total", "current")]
    full = all(isinstance(one, dict) and all(key in one for key in COUNTS) for one in progress)
    return full and all(_counts(one) or isinstance(one, bool) for one in _leaves(value))


def _are_callbacks(value: Any) -> bool:
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        return False
    best = value.get("Checkpoints", {})
    if not {"best_score", "best_epoch"} <= best.keys():
        return False
    score, epoch = best["best_score"], best["best_epoch"]
    if not (score is None or (isinstance(score, float) and math.isfinite(score))):
        return False
    patience = [state for name, state in value.items() if str(name).startswith("PatientStopping")]
    return (epoch is None or _counts(epoch)) and all(map(_is_patience, patience))


def _is_patience(state: dict[str, Any]) -> bool:
    score = state.get("best_score")
    fits = isinstance(score, Tensor) and score.numel() == 1 and score.dtype.is_floating_point
    return fits and all(_counts(state.get(key)) for key in ("wait_count", "stopped_epoch"))


def _are_optimizers(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_is_optimizer, value))


def _is_optimizer(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    state, groups = value.get("state"), value.get("param_groups")
    return (
        isinstance(state, dict)
        and all(isinstance(one, dict) for one in state.values())
        and isinstance(groups, list)
        and len(groups) > 0
        and all(isinstance(group, dict) and isinstance(group.get("params"), list) for group in groups)
    )


def _are_moments(moments: dict[str, Any], like: dict[str, Any]) -> bool:
    """Whether what is kept of a parameter has the form of what a new optimizer keeps of it."""
    return moments.keys() == like.keys() and all(
        isinstance(moments[key], Tensor) and moments[key].shape == one.shape
        if isinstance(one, Tensor)
        else type(moments[key]) is type(one)
        for key, one in like.items()
    )


def _are_alike(state: Any, like: dict[str, Any]) -> bool:
    """Whether the state of a scheduler has the keys of another, with values of their kinds."""
    number = (bool, int, float, type(None))
    return (
        isinstance(state, dict)
        and state.keys() == like.keys()
        and all(
            type(state[key]) is type(one) or (type(state[key]) in number and type(one) in number)
            for key, one in like.items()
        )
    )


def _are_totals(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(one, Tensor) and one.shape == (2,) for one in value.values())


def _finite(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and bool(torch.isfinite(tensor).all())


def _tensors(value: Any) -> Iterator[Tensor]:
    return (one for one in _leaves(value) if isinstance(one, Tensor))


def _leaves(value: Any) -> Iterator[Any]:
    """All values that are not lists or dicts, however deep they lie."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list | tuple):
            waiting += one.values() if isinstance(one, dict) else one
        else:
            yield one
