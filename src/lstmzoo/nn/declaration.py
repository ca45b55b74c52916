"""What a cell says of itself, checked: its class when it is made, its object when a network is built of it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor
from torch.nn import Module, Parameter

Cell = Any  # `lstmzoo.nn.cell` checks its classes here, so its names can't be had here


def check_declaration(cls: Any) -> None:
    """Refuse a cell whose class contradicts itself.

    Raises:
        TypeError: naming the attribute and what it should be.
    """
    names = tuple(cls.gates)
    if not cls.state or cls.state[0] != "h":
        raise TypeError(f"{cls.__name__}.state must begin with 'h', the cell's output; got {cls.state!r}")
    if not isinstance(cls.gates, Mapping) or not all(callable(function) for function in cls.gates.values()):
        raise TypeError(f"{cls.__name__}.gates must map names to activations, e.g. {{'f': torch.sigmoid}}")
    if not callable(getattr(cls, "step", None)):
        raise TypeError(f"{cls.__name__} has no step(z, s, gate, p)")
    known = {"separate_terms": names, "deferred": names, "input_only": names}
    known |= {"vector_init": cls.vectors, "initial_values": cls.state}
    for attribute, valid in known.items():
        unknown = [k for k in getattr(cls, attribute) if k not in valid]
        if unknown:
            raise TypeError(f"{cls.__name__}.{attribute} names {unknown}, which are not among {valid}")
    separate, deferred = cls.separate_terms, cls.deferred
    twice = (set(separate) & set(deferred)) | (set(cls.input_only) & set(separate + deferred))
    if twice:
        raise TypeError(
            f"{cls.__name__}: {sorted(twice)} may be in only one of separate_terms, deferred and input_only"
        )
    if names[len(names) - len(deferred) :] != tuple(deferred):
        raise TypeError(f"{cls.__name__}.deferred must be the last of its gates, in order; got {deferred} of {names}")
    _check_learned(cls)
    _check_roles(cls)


def _check_learned(cls: Any) -> None:
    """Vectors, constants and matrices."""
    named = (*cls.vectors, *cls.constants, *cls.matrices)
    if len(set(named)) < len(named):
        raise TypeError(f"{cls.__name__} names a vector, constant or matrix twice: {named}")
    taken = set(named) & {"weight_ih", "weight_hh", "weight_hr", "bias_ih", "bias_hh"}
    if taken:
        raise TypeError(f"{cls.__name__}: the names {sorted(taken)} belong to the maps every cell has; choose others")
    for name, ends in cls.matrices.items():
        if not isinstance(ends, tuple) or len(ends) != 2 or not set(ends) <= {"hidden", "input"}:
            raise TypeError(
                f"{cls.__name__}.matrices: {name!r} must be (to, from), each 'hidden' or 'input'; got {ends!r}"
            )


def _check_roles(cls: Any) -> None:
    """What gates and states are for."""
    for attribute in ("forget_gate", "input_gate"):
        value = getattr(cls, attribute)
        if value is not None and value not in cls.gates:
            raise TypeError(f"{cls.__name__}.{attribute} is {value!r}, which is not among its gates {tuple(cls.gates)}")
    if cls.coupled_input_forget and (cls.forget_gate is not None or cls.input_gate is None):
        raise TypeError(f"{cls.__name__}.coupled_input_forget is for cells with an input_gate and no forget_gate")
    strange = sorted(set(cls.zoneout_states) - {*cls.state, "h", "c"})
    if strange:
        raise TypeError(f"{cls.__name__}.zoneout_states names {strange}, which are not among its states {cls.state}")
    if cls.below is not None and cls.below not in cls.state:
        raise TypeError(f"{cls.__name__}.below is {cls.below!r}, which is not among its states {cls.state}")


def check_object(cell: Cell, hidden_size: int, output_size: int) -> None:
    """Refuse a cell whose hooks leave something out, or whose parameters would not be found.

    Args:
        cell: the cell.
        hidden_size: units, H.
        output_size: size of h.

    Raises:
        ValueError: if a hook does not give what it should for every name.
        TypeError: if parameters lie where they would not be trained.
    """
    shapes, sizes = cell.state_shapes(hidden_size, output_size), cell.gate_sizes(hidden_size)
    for hook, found, wanted in (
        ("state_shapes(hidden_size, output_size)", tuple(shapes), tuple(cell.state)),
        ("gate_sizes(hidden_size)", tuple(sizes), tuple(cell.gates)),
    ):
        if found != wanted:
            raise ValueError(f"{cell!r}: {hook} must give all of {wanted}, in this order; it gives {found}")
    constants = set(cell.make_constants(hidden_size))
    if constants != set(cell.constants):
        raise ValueError(
            f"{cell!r}: make_constants(hidden_size) must give what `constants` names, {sorted(cell.constants)}; "
            f"it gives {sorted(constants)}"
        )
    own = [k for k in type(cell).__mro__ if k.__module__ != "lstmzoo.nn.cell"]
    for attributes in (vars(cell), *map(vars, own)):
        for name, value in attributes.items():
            if name != "learned" and _is_learned(value):
                raise TypeError(
                    f"{cell!r}: the parameters in {name!r} would never be trained or saved; in __init__, set every "
                    "parameter or module as an attribute of its own (self.map = torch.nn.Linear(8, 8)), a tensor "
                    "as a torch.nn.Parameter, several as a torch.nn.ModuleList or ParameterList"
                )


def _is_learned(value: Any) -> bool:
    """Whether there is something that asks for a gradient in a module, a container or a function with arguments."""
    if isinstance(value, Module):
        return next(value.parameters(), None) is not None
    if isinstance(value, partial):
        value = (value.func, value.args, value.keywords)
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, list | tuple | set):
        return any(map(_is_learned, value))
    return isinstance(value, Parameter) or (isinstance(value, Tensor) and value.requires_grad)
