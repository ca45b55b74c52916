"""What the code of a step's passes must offer, whatever language it is printed in."""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

from lstmzoo.nn.engines.native.passes import Pass

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


def digest_of(source: str, *passes: Pass) -> str:
    """What tells passes from others: the code of their stages, and the products between them."""
    calls = [(call.stage, call.part, call.of, call.out) for p in passes for call in p.calls]
    return hashlib.sha256(f"{source}\0{calls}".encode()).hexdigest()
