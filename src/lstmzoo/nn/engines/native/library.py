"""What the code of a step's passes must offer, whatever language it is printed in."""

from collections.abc import Callable
from typing import Any, Protocol

RunStage = Callable[[int, int], None]  # of a step and a stage


class Library(Protocol):
    """The code of a forward and a backward pass.

    ``memory`` is a `Memory` of `lstmzoo.nn.engines.native.arrays`, ``run`` a `Run` of there: they know of kernels, and
    kernels of this.

    Attributes:
        digest: stands for the code.
    """

    digest: str

    def sums(self, batch: int) -> int:
        """In how many parts a sum over the batch is collected."""

    def call(self, function: Callable[..., Any], run: Any, *arguments: Any) -> Any:
        """Call a function of a run and of nested tensors, which it does not change."""

    def run(self, memory: Any, keep: bool) -> None:
        """Run all steps of a layer whose maps are matrices.

        Args:
            memory: the arrays of the pass.
            keep: whether what the backward pass needs is kept.

        Raises:
            MemoryError: if the machine's memory does not suffice.
        """

    def stages(self, memory: Any, keep: bool) -> RunStage:
        """What runs one stage of one step, where the caller applies the maps before it."""
