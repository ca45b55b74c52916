"""What ends a training before its time: SIGTERM or SIGHUP to any of its processes, or numbers that are not finite."""

import math
import shlex
import signal
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector
from torch import Tensor, nn

from lstmzoo.errors import ENDINGS, LstmzooError, leave_closed_terminal


class Diverged(LstmzooError):
    """Loss or weights are not finite; every process of a run raises it after the same batch."""


class SigtermFlag(_SignalConnector):
    """In place of Lightning's handlers: SIGTERM or SIGHUP in training sets a flag, which is shared after every batch.

    Lightning's handler broadcasts in the middle of whatever is under way; processes that then wait in different
    collectives wait for ever (https://github.com/Lightning-AI/pytorch-lightning/issues/20806). Outside of training the
    handler of the command line stays in place, and the process ends at once.
    """

    asked = 0
    """Number of the signal that came first."""

    def register_signal_handlers(self) -> None:
        self.received_sigterm, self.asked = False, 0
        if self.trainer.state.fn == "fit":
            handlers = {number: signal.getsignal(number) for number in ENDINGS}
            self._original_handlers = {number: one for number, one in handlers.items() if one != signal.SIG_IGN}
            for number in self._original_handlers:
                self._register_signal(number, self._ask)

    def _ask(self, signum: int, frame: Any) -> None:
        leave_closed_terminal()
        self.asked = self.asked or signum


def agree(trainer: Trainer, sound: Tensor | bool) -> tuple[bool, bool]:
    """Tell all processes what any of them knows; the one collective in which endings are decided.

    Returns:
        Whether the numbers of all processes are sound (finite), and whether any of them got SIGTERM or SIGHUP.
    """
    asked = bool(getattr(trainer._signal_connector, "asked", False))
    device = trainer.strategy.root_device
    flags = torch.stack([~torch.as_tensor(sound, device=device), torch.tensor(asked, device=device)]).float()
    unsound, terminated = trainer.strategy.reduce(flags, reduce_op="max").tolist()  # type: ignore[union-attr]
    return not unsound, bool(terminated)


def is_finite(module: nn.Module) -> bool:
    """Whether all weights and statistics of a model are finite numbers."""
    return all(bool(tensor.isfinite().all()) for tensor in module.state_dict().values())


def diverged(what: str, trainer: Trainer, last: Path) -> Diverged:
    """Word the error for numbers that are no longer finite; those in the checkpoint `last` are, if there is one."""
    lr = trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else math.nan
    go_on = f"lstmzoo train resume={shlex.quote(str(last.parents[1]))} task.lr=..."
    kept = f". The numbers of {last.name} are finite: `{go_on}` goes on from it" if last.is_file() else ""
    return Diverged(
        f"{what} is not finite in epoch {trainer.current_epoch + 1}, step {trainer.global_step}, at a learning rate of "
        f"{lr:.3g}: lower task.lr, lengthen task.warmup_epochs or lower task.gradient_clip_val; "
        f"trainer.detect_anomaly=true names the operation{kept}"
    )
