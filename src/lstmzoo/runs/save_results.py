"""What a test found: printed, and written with what was measured."""

import json
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from lstmzoo.io.terminal import print_plain
from lstmzoo.runs.measured import Measured
from lstmzoo.training.interface import Results


class SaveResults(Callback):
    """Writes and prints the results of a test, inside the process that has them.

    Args:
        folder: where the files go.
        title: heading of the tables.
        measured: what is tested; it is written with the numbers.
        details: also print what goes beyond a summary, and say where the files are.
    """

    def __init__(self, folder: Path, title: str, measured: Measured, details: bool = True) -> None:
        self.folder, self.title, self.measured, self.details = folder, title, measured, details

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        results: Results | None = pl_module.results  # type: ignore[assignment]
        if not trainer.is_global_zero or results is None:
            return
        files = results.save(self.folder, {"measured": self.measured.as_dict()})
        results.show(self.title, self.details)
        if self.details:
            print_plain(f"Written to {self.folder}: {', '.join(files)}")


def read_results(folder: Path) -> dict[str, Any]:
    """Read the numbers that `SaveResults` wrote, perhaps in another process, without what they were measured on."""
    numbers: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    del numbers["measured"]
    return numbers
