"""A step run once on small tensors, which have shapes that symbols don't: what the loop refuses is not compiled."""

import torch

from lstmzoo.nn.engines.native.symbol import UntraceableError
from lstmzoo.nn.layer import Step
from lstmzoo.nn.weights import Weights

BATCH, INPUTS, UNITS, PROJECTED = 2, 5, 7, 3  # all different, so that none is taken for another


def try_step(step: Step) -> None:
    """Run a cell's own step as the loop does.

    Args:
        step: the step; what the driver adds to it is left out.

    Raises:
        UntraceableError: if a state doesn't come out in the shape that it came in.
    """
    cell, output = step.cell, PROJECTED if step.projected else UNITS
    size = {"hidden": UNITS, "input": INPUTS}
    rows = UNITS * len(cell.gates)
    named = {"weight_ih": torch.zeros(rows, INPUTS)}
    named["weight_hh"] = torch.zeros(UNITS * len(cell.recurrent_gates), output)
    if step.projected:
        named["weight_hr"] = torch.zeros(output, UNITS)
    named |= {name: torch.zeros(UNITS) for name in (*cell.vectors, *cell.constants)}
    named |= {name: torch.zeros(size[to], size[of]) for name, (to, of) in cell.matrices.items()}
    before = {name: torch.zeros(BATCH, *shape) for name, shape in cell.state_shapes(UNITS, output).items()}
    given = {"x": torch.zeros(BATCH, INPUTS if cell.manual_projection else rows)}
    if cell.below is not None:
        given["below"] = before[cell.below]
    try:
        with torch.random.fork_rng(devices=[]):
            Step(cell, projected=step.projected)(Weights(cell, UNITS, named), given, cell.State(**before))
    except Exception as error:  # the loop meets it, too
        raise UntraceableError(f"on a trial with B = {BATCH}, H = {UNITS}: {error}") from error
