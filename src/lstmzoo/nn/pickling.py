"""A whole module in a file, in plain values: ``torch.load`` needs to be told of its class alone, as of torch.nn's."""

from typing import Any

from lstmzoo.nn.cell_registry import name_of, registered
from lstmzoo.nn.regularise import Regularisation


def plain(state: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a `Recurrent` without objects of our classes: of the cell its name, where that says it all."""
    return state | {"cell": name_of(state["cell"]) or state["cell"], "regularisation": vars(state["regularisation"])}


def restored(state: dict[str, Any]) -> dict[str, Any]:
    """What `plain` was given. The name may come from a stranger's file: nothing is imported to find it."""
    cell, options = state["cell"], state["regularisation"]
    if isinstance(cell, str):
        cell = registered(cell)
    if not isinstance(options, Regularisation):  # the object itself is in older files
        options = Regularisation(**options)
    return state | {"cell": cell, "regularisation": options}
