"""Look into a running cell: record its gates and states, or hold a gate at a value."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import Module

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.layer import LayerResult

Series = dict[str, list[Tensor]]  # name → (T, B, ...) pieces, one for every run


@dataclass
class Probe:
    """What one context manager wants of one module: gates to clamp, a place to record to."""

    clamped: dict[str, float] = field(default_factory=dict)
    series: list[tuple[Series, Series]] | None = None

    def record(self, index: int, cell: Cell, result: LayerResult) -> None:
        """Note what one layer and direction did in one run."""
        if self.series is None:
            return
        gates, states = self.series[index]
        for name, value in result.gates.items():
            gates.setdefault(name, []).append(value.detach())
        for name, value in zip(cell.state, result.states, strict=True):
            states.setdefault(name, []).append(value.detach())


class Probed:
    """A module that `trace` and `clamp` can act on: `lstmzoo.nn.Recurrent`, through which probes reach the engines."""

    cell: Cell
    suffixes: list[str]  # one per layer and direction
    probes: tuple[Probe, ...] = ()  # set while `trace` and `clamp` are active


class Trace:
    """What `trace` recorded.

    Attributes:
        layers: a label for every layer and direction, e.g. ``"core.l0"``, ``"core.l0_reverse"``.
    """

    def __init__(self, modules: dict[str, Probed]) -> None:
        self.layers: list[str] = []
        self._series: dict[int, list[tuple[Series, Series]]] = {}
        for name, module in modules.items():
            self._series[id(module)] = [({}, {}) for _ in module.suffixes]
            self.layers += [f"{name}.{suffix[1:]}".removeprefix(".") for suffix in module.suffixes]

    def probe(self, module: Probed) -> Probe:
        """The probe that records one module into this trace."""
        return Probe(series=self._series[id(module)])

    @property
    def gates(self) -> dict[str, list[Tensor]]:
        """Values of every gate: name → a list of (T, B, H), over those of `layers` whose cell has the gate.

        T counts all steps run so far.
        """
        return self._collect(0)

    @property
    def states(self) -> dict[str, list[Tensor]]:
        """Every state after every step: name → a list of (T, B, ...), over those of `layers` whose cell has it."""
        return self._collect(1)

    def _collect(self, which: int) -> dict[str, list[Tensor]]:
        collected: dict[str, list[Tensor]] = {}
        for layers in self._series.values():
            for layer in layers:
                for name, pieces in layer[which].items():
                    batches = {piece.shape[1] for piece in pieces}
                    if len(batches) > 1:
                        raise ValueError(
                            f"batches of {sorted(batches)} sequences ran inside one trace; use a trace for each"
                        )
                    collected.setdefault(name, []).append(torch.cat(pieces))
        return collected


@contextmanager
def trace(module: Module) -> Iterator[Trace]:
    """Record the gates and states of every `Recurrent` inside a module while the context is open.

    The values are detached from the graph. Steps after the end of a shorter sequence hold whatever the padding gave.
    Several runs inside one context follow one another in time, so a stream of frames is recorded as one sequence.

    Args:
        module: a `Recurrent`, or any module that contains some.

    Yields:
        The `Trace`; ``trace.gates["f"][0]`` is the forget gate of the first layer, (T, B, H).

    Raises:
        ValueError: if there is no `Recurrent` inside.
    """
    modules = _probed_modules(module)
    record = Trace(modules)
    with _attached({m: record.probe(m) for m in modules.values()}):
        yield record


@contextmanager
def clamp(module: Module, **gates: float) -> Iterator[None]:
    """Hold gates at a value in every `Recurrent` inside a module while the context is open.

    ``with clamp(model, f=1.0, i=0.0):`` keeps the memory as it is, whatever the input.

    Args:
        module: a `Recurrent`, or any module that contains some.
        **gates: gate name and the value it is held at.

    Raises:
        ValueError: if there is no `Recurrent` inside, or one has no such gate.
    """
    modules = _probed_modules(module)
    for m in modules.values():
        unknown = sorted(set(gates) - set(m.cell.gates))
        if unknown:
            raise ValueError(f"the cell {m.cell!r} has no gate {unknown[0]!r}; its gates: {', '.join(m.cell.gates)}")
    with _attached({m: Probe(clamped=gates) for m in modules.values()}):
        yield


@contextmanager
def _attached(probes: dict[Probed, Probe]) -> Iterator[None]:
    """Attach probes to modules, and take them off again whatever happens."""
    try:
        for module, probe in probes.items():
            module.probes = (*module.probes, probe)
        yield
    finally:
        for module, probe in probes.items():
            module.probes = tuple(p for p in module.probes if p is not probe)
            if not module.probes:
                vars(module).pop("probes", None)


def _probed_modules(module: Module) -> dict[str, Probed]:
    modules = {name: m for name, m in module.named_modules() if isinstance(m, Probed)}
    if not modules:
        raise ValueError(f"{type(module).__name__} contains no lstmzoo.nn.Recurrent, so it has no gates to look at")
    return modules
