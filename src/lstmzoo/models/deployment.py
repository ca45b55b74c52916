"""What stands for a model where there is no Python: networks of flat, named tensors; `lstmzoo.runs.deploy` writes them.

A model says so in ``deployment(step)``: its whole clip, or the two networks of a stream. The first one begins; what it
returns as ``state_...`` the second one takes, and returns what takes its place in the next call as ``next_state_...``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from lstmzoo.nn import Recurrent

Tree = Any
"""A tensor, or tuples, lists and dicts of tensors and of what never changes, such as None."""


AFTER = "next_"
"""Before the name of an output that is an input of the next call, where both would have one name."""


class Port(NamedTuple):
    """An input of a network."""

    name: str
    axes: tuple[str | int, ...]  # the name of each, or its size where there is but one
    draw: Callable[[tuple[int, ...]], Tensor]  # makes a random one of a shape


@dataclass(frozen=True)
class Network:
    """One file: a function of tensors.

    Attributes:
        name: of the file.
        call: takes the inputs by position, then the trees of `carried`; returns trees by name.
        inputs: the inputs.
        before: the network that runs before this one.
        carried: which of the outputs of `before` are further inputs.
        fixed: axes that are written with one size, and why.
    """

    name: str
    call: Callable[..., dict[str, Tree]]
    inputs: tuple[Port, ...]
    before: "Network | None" = None
    carried: tuple[str, ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)

    def example(self, sizes: Mapping[str, int]) -> tuple[list[Tensor], list[Tree]]:
        """Draw random inputs, and run what comes before for those it carries."""
        drawn = [port.draw(tuple(sizes.get(axis, axis) for axis in port.axes)) for port in self.inputs]  # type: ignore[arg-type, misc]
        return drawn, [] if self.before is None else [self.before.run(sizes)[name] for name in self.carried]

    def run(self, sizes: Mapping[str, int]) -> dict[str, Tree]:
        """Run it, in PyTorch, on random inputs."""
        drawn, carried = self.example(sizes)
        return self.call(*drawn, *carried)


@dataclass(frozen=True)
class Deployment:
    """All that is written of a model.

    Attributes:
        networks: in the order in which they run.
        transform: what else has to be known of the input beside the model's own transform: resize, mean, std.
        least_time: fewest steps of a clip.
    """

    networks: tuple[Network, ...]
    transform: dict[str, Any]
    least_time: int = 1


class Deployable(Protocol):
    """A model that can be written."""

    def deployment(self, step: bool) -> Deployment:
        """Say which networks stand for the model: of whole inputs, or step by step.

        Raises:
            LstmzooError: it does not go step by step.
        """


def stream(
    step: Callable[..., tuple[Tensor, Tree]],
    given: Port,
    first: tuple[Port, ...] = (),
    carried: Callable[[Tree], Tree] = lambda state: state,
    fixed: Mapping[str, str] | None = None,
) -> tuple[Network, Network]:
    """Make the two networks of a stream from a model's ``step(x, state)``.

    Args:
        step: returns logits and a state.
        given: what each step takes.
        first: what the first one takes as well.
        carried: brings a state into the form in which it goes on.
        fixed: see `Network`.
    """

    def begin(x: Tensor, *more: Tensor) -> dict[str, Tree]:
        logits, state = step(x, None, *more)
        return {"logits": logits, "state": carried(state)}

    def go_on(x: Tensor, state: Tree) -> dict[str, Tree]:
        logits, state = step(x, state)
        return {"logits": logits, "state": carried(state)}

    start = Network("start", begin, (given, *first), fixed=fixed or {})
    return start, Network("step", go_on, (given,), start, ("state",), fixed or {})


class Flat(nn.Module):
    """A network as a module of tensors by position, which returns tensors by name.

    Args:
        model: whose weights it uses.
        network: the function.
        carried: trees like those it takes.
        known_as: better names, see `cell_names`.
    """

    def __init__(self, model: nn.Module, network: Network, carried: list[Tree], known_as: Mapping[str, str]) -> None:
        super().__init__()
        self.model, self.network, self.carried, self.known_as = model, network, carried, known_as

    @property
    def names(self) -> list[str]:
        """What the inputs are called."""
        own = [port.name for port in self.network.inputs]
        return [*own, *self._named(dict(zip(self.network.carried, self.carried, strict=True)))]

    def forward(self, *tensors: Tensor) -> dict[str, Tensor]:
        given = iter(tensors)
        own = [next(given) for _ in self.network.inputs]
        found = self._named(self.network.call(*own, *(_filled(tree, given) for tree in self.carried)))
        return {AFTER + name if name in self.names else name: tensor for name, tensor in found.items()}

    def _named(self, tree: Tree) -> dict[str, Tensor]:
        return {self.known_as.get(name, name): tensor for name, tensor in flattened(tree).items()}


def cell_names(model: nn.Module, network: Network, sizes: Mapping[str, int]) -> dict[str, str]:
    """What a cell's equations call its states: ``state_rnn_h`` for ``state_rnn_0``, among the outputs of a network."""
    places: dict[int, tuple[str, bool]] = {}  # by address: the state's name, and whether there are others

    def note(module: Any, inputs: Any, result: tuple[Tensor, Any]) -> None:
        last = result[1]
        states = (last,) if isinstance(last, Tensor) else last
        for name, state in zip(module.cell.state, states, strict=True):
            places[state.data_ptr()] = name, len(states) > 1

    hooks = [module.register_forward_hook(note) for module in model.modules() if isinstance(module, Recurrent)]
    try:
        found = flattened(network.run(sizes))
    finally:
        for hook in hooks:
            hook.remove()
    better = {}
    for name, tensor in found.items():
        if name.startswith("state") and tensor.data_ptr() in places:
            own, is_one_of_several = places[tensor.data_ptr()]
            better[name] = f"{name.rpartition('_')[0] if is_one_of_several else name}_{own}"
    return better


def flattened(tree: Tree, name: str = "") -> dict[str, Tensor]:
    """All tensors of a tree by their place in it, e.g. ``state_rnn_0``."""
    if isinstance(tree, Tensor):
        return {name: tree}
    parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, tuple | list) else ()
    return {
        key: tensor for place, part in parts for key, tensor in flattened(part, f"{name}_{place}".lstrip("_")).items()
    }


def _filled(tree: Tree, tensors: Iterator[Tensor]) -> Tree:
    """A tree with other tensors in place of its own."""
    if isinstance(tree, Tensor):
        return next(tensors)
    if isinstance(tree, dict):
        return {key: _filled(part, tensors) for key, part in tree.items()}
    return tuple(_filled(part, tensors) for part in tree) if isinstance(tree, tuple | list) else tree


def pixels(shape: tuple[int, ...]) -> Tensor:
    """Draw images, uint8."""
    return torch.randint(256, shape, dtype=torch.uint8)


def masks(shape: tuple[int, ...]) -> Tensor:
    """Draw masks of 0 and 1."""
    return torch.randint(2, shape).float()
