"""The loop over the steps, where each stage is called by itself, after the products that it needs."""

from collections.abc import Callable

import torch

from lstmzoo.nn.engines.native.arrays import Memory
from lstmzoo.nn.engines.native.passes import ProductCall

OnPiece = Callable[[slice], None]
Multiply = Callable[[Memory, ProductCall, int], None]  # one product of one step


def run_steps(memory: Memory, keep: bool, multiply: Multiply, begin: OnPiece, end: OnPiece) -> None:
    """Run all steps of a pass.

    Args:
        memory: the arrays of the pass.
        keep: whether what the backward pass needs is kept.
        multiply: does a product.
        begin: called with the times of every piece before its steps.
        end: called with them after its steps.
    """
    p, steps, reverse = memory.p, memory.steps, memory.run.reverse
    calls = [[call for call in p.calls if call.stage == stage] for stage in range(p.stages)]
    run_stage = None
    backwards = reverse != (p.name == "backward")
    pieces = [slice(start, min(start + memory.piece, steps)) for start in range(0, steps, memory.piece)]
    for piece in reversed(pieces) if backwards else pieces:
        begin(piece)
        run_stage = run_stage or memory.run.kernel.library.stages(memory, keep)
        times = range(piece.start, piece.stop)
        for t in reversed(times) if backwards else times:
            step = steps - 1 - t if reverse else t
            for stage in range(p.stages):
                for call in calls[stage]:
                    multiply(memory, call, step)
                run_stage(step, stage)
        end(piece)


def multiply_rows(memory: Memory, call: ProductCall, step: int) -> None:
    """The product of a matrix with the vectors of a batch."""
    part = call.part
    size = memory.widths[part.block_size]
    weight = memory.given[part.name][part.first * size : (part.first + part.blocks) * size]
    of, out = memory.rows(call.of, step), memory.rows(call.out, step)
    torch.mm(of, weight if part.transposed else weight.t(), out=out)
