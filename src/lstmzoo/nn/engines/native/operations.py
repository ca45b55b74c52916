"""What the compilers know: operations with expressions and derivatives, and torch's functions in their terms."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from lstmzoo.nn.engines.native.symbol import FUNCTIONS, Symbol, UntraceableError, as_symbol, common_size, value_of

Gradient = Symbol | None


class Operation(NamedTuple):
    """An elementwise operation.

    Attributes:
        expression: of its arguments, in words that C and Triton have in common; ``m_`` are functions of the runtime.
        derivative: (gradient of the result, result, *arguments) → gradient of every argument.
        costly: whether its result is worth keeping for the backward pass rather than computing it again.
    """

    expression: str
    derivative: Callable[..., tuple[Gradient, ...]]
    costly: bool = False


def _apply(name: str, *args: Any) -> Symbol:
    symbols = tuple(map(as_symbol, args))
    return Symbol.make(name, symbols, common_size(*symbols))


def _none(*args: Any) -> tuple[Gradient, ...]:
    return (None, None)


def _of_larger(g: Symbol, a: Symbol, b: Symbol) -> Symbol:
    """Gradient of max(a, b) for a: all of it where a isn't smaller, half where they are equal, as torch has it."""
    return g * where(a < b, 0.0, where(a.eq(b), 0.5, 1.0))


def _within(g: Symbol, a: Symbol, low: Symbol, high: Symbol) -> Symbol:
    """Gradient of a between two bounds, 0 outside; where there is no bound, infinity lies inside, too."""
    above = 1.0 if value_of(low) == -math.inf else a > low
    below = 1.0 if value_of(high) == math.inf else a < high
    return where(mul(above, below), g, 0.0)


OPERATIONS: dict[str, Operation] = {
    "copy": Operation("{0}", lambda g, y, a: (g,)),
    "detach": Operation("{0}", lambda g, y, a: (None,)),
    "add": Operation("({0} + {1})", lambda g, y, a, b: (g, g)),
    "sub": Operation("({0} - {1})", lambda g, y, a, b: (g, -g)),
    "mul": Operation("({0} * {1})", lambda g, y, a, b: (g * b, g * a)),
    "div": Operation("m_div({0}, {1})", lambda g, y, a, b: (g / b, -(g * y / b)), costly=True),
    "neg": Operation("(-{0})", lambda g, y, a: (-g,)),
    "sigmoid": Operation("m_sigmoid({0})", lambda g, y, a: (g * y * (1.0 - y),), costly=True),
    "tanh": Operation("m_tanh({0})", lambda g, y, a: (g * (1.0 - y * y),), costly=True),
    "exp": Operation("m_exp({0})", lambda g, y, a: (g * y,), costly=True),
    "expm1": Operation("m_expm1({0})", lambda g, y, a: (g * (y + 1.0),), costly=True),
    "log": Operation("m_log({0})", lambda g, y, a: (g / a,), costly=True),
    "log1p": Operation("m_log1p({0})", lambda g, y, a: (g / (1.0 + a),), costly=True),
    "sqrt": Operation("m_sqrt({0})", lambda g, y, a: (g / (y + y),), costly=True),
    "erf": Operation("m_erf({0})", lambda g, y, a: (g * exp(-(a * a)) * (2 / math.sqrt(math.pi)),), costly=True),
    "softplus": Operation("m_softplus({0})", lambda g, y, a: (g * sigmoid(a),), costly=True),
    "logsigmoid": Operation("m_logsigmoid({0})", lambda g, y, a: (g * sigmoid(-a),), costly=True),
    "relu": Operation("m_max({0}, 0)", lambda g, y, a: (where(y <= 0.0, 0.0, g),)),  # NaN has one, as torch has it
    "abs": Operation("m_abs({0})", lambda g, y, a: (g * sign(a),)),
    "maximum": Operation("m_max({0}, {1})", lambda g, y, a, b: (_of_larger(g, a, b), _of_larger(g, b, a))),
    "minimum": Operation("m_min({0}, {1})", lambda g, y, a, b: (_of_larger(g, b, a), _of_larger(g, a, b))),
    "clamp": Operation("m_min(m_max({0}, {1}), {2})", lambda g, y, a, *bounds: (_within(g, a, *bounds), None, None)),
    "where": Operation("m_where({0}, {1}, {2})", lambda g, y, c, a, b: (None, where(c, g, 0.0), where(c, 0.0, g))),
    "floor": Operation("m_floor({0})", lambda g, y, a: (None,)),
    "gt": Operation("m_real({0} > {1})", _none),
    "ge": Operation("m_real({0} >= {1})", _none),
    "lt": Operation("m_real({0} < {1})", _none),
    "le": Operation("m_real({0} <= {1})", _none),
    "eq": Operation("m_real({0} == {1})", _none),
    "ne": Operation("m_real({0} != {1})", _none),
}


def add(a: Any, b: Any, *, alpha: float = 1) -> Symbol:
    a, b = as_symbol(a), as_symbol(b)
    if alpha != 1:
        b = b * alpha
    if value_of(a) == 0.0:
        return b
    return a if value_of(b) == 0.0 else _apply("add", a, b)


def sub(a: Any, b: Any, *, alpha: float = 1) -> Symbol:
    b = as_symbol(b) * alpha if alpha != 1 else as_symbol(b)
    return as_symbol(a) if value_of(b) == 0.0 else _apply("sub", a, b)


def mul(a: Any, b: Any) -> Symbol:
    a, b = as_symbol(a), as_symbol(b)
    if value_of(a) == 1.0:
        return b
    return a if value_of(b) == 1.0 else _apply("mul", a, b)


def div(a: Any, b: Any) -> Symbol:
    return as_symbol(a) if value_of(as_symbol(b)) == 1.0 else _apply("div", a, b)


def where(condition: Any, a: Any, b: Any) -> Symbol:
    return _apply("where", condition, a, b)


def clamp(x: Any, min: Any = None, max: Any = None) -> Symbol:
    if isinstance(min, Symbol) or isinstance(max, Symbol):  # they would have a gradient, too
        raise UntraceableError("the compiler clamps between numbers only; maximum and minimum take values")
    return _apply("clamp", x, -math.inf if min is None else min, math.inf if max is None else max)


def power(x: Any, exponent: Any) -> Symbol:
    if exponent == 0.5:
        return _apply("sqrt", x)
    if not isinstance(exponent, int) or not 1 <= exponent <= 8:
        raise UntraceableError(f"the compiler knows whole powers from 1 to 8, not {exponent!r}")
    result = as_symbol(x)
    for _ in range(exponent - 1):
        result = result * x
    return result


BY_DIMENSION = "by dimension"  # marks a sum over a dimension by number, which of an image means something else


def total(x: Any, dim: Any = None, keepdim: bool = False) -> Symbol:
    """Sum over the units of each sequence."""
    if not keepdim or not set(dim if isinstance(dim, tuple | list) else (dim,)) <= {1, -1}:
        raise UntraceableError("sums must run over the units of each sequence, with keepdim=True")
    x = _with_units(x)
    return x if x.size == "1" else Symbol.make("sum", (x,), "1", (x.size, BY_DIMENSION))


def _with_units(x: Any) -> Symbol:
    if as_symbol(x).size == "":
        raise UntraceableError("a step sums a constant over the units")
    return as_symbol(x)


def unit_sum(x: Symbol, size: str) -> Symbol:
    """Sum of a value over ``size`` units; one that all units share is multiplied."""
    if size in ("", "1"):
        return x
    if x.size == size:
        return Symbol.make("sum", (x,), "1", (size,))
    return x * Symbol.make("count", size="", attributes=(size,))


def mean(x: Any, dim: Any = None, keepdim: bool = False) -> Symbol:
    return total(x, dim, keepdim) / Symbol.make("count", size="", attributes=(as_symbol(x).size,))


def unit_mean(x: Any) -> Symbol:
    """`lstmzoo.nn.cells.normalise.unit_mean`: over all units, those of an image as well."""
    x = _with_units(x)
    return unit_sum(x, x.size) / Symbol.make("count", size="", attributes=(x.size,))


def remainder(a: Any, b: Any) -> Symbol:
    return as_symbol(a) - _apply("floor", as_symbol(a) / b) * b


def softplus(x: Any, beta: float = 1, threshold: float = 20) -> Symbol:
    if threshold < 20:  # above it torch takes x, which from 20 on is equal but for rounding
        raise UntraceableError(f"the compiler knows softplus with a threshold from 20, not {threshold}")
    return _apply("softplus", as_symbol(x) * beta) / beta


def gelu(x: Any, approximate: str = "none") -> Symbol:
    if approximate != "none":
        raise UntraceableError("the compiler knows the exact gelu only")
    return as_symbol(x) * 0.5 * (_apply("erf", as_symbol(x) * math.sqrt(0.5)) + 1.0)


def elu(x: Any, alpha: float = 1.0, inplace: bool = False) -> Symbol:
    negative = as_symbol(x) <= 0.0
    return where(negative, _apply("expm1", where(negative, x, 0.0)) * alpha, x)


def sigmoid(x: Any) -> Symbol:
    return _apply("sigmoid", x)


def exp(x: Any) -> Symbol:
    return _apply("exp", x)


def sign(x: Any) -> Symbol:
    return _apply("gt", x, 0.0) - _apply("lt", x, 0.0)


def _elementwise(name: str) -> Callable[..., Symbol]:
    return lambda *args: _apply(name, *args)


FUNCTIONS |= {
    **{name: _elementwise(name) for name in OPERATIONS},
    "add": add,
    "sub": sub,
    "subtract": sub,
    "mul": mul,
    "multiply": mul,
    "div": div,
    "truediv": div,
    "divide": div,
    "radd": lambda a, b: add(b, a),
    "rsub": lambda a, b, alpha=1: sub(b, a, alpha=alpha),
    "rmul": lambda a, b: mul(b, a),
    "rtruediv": lambda a, b: div(b, a),
    "rdiv": lambda a, b: div(b, a),
    "negative": _elementwise("neg"),
    "relu": lambda x, inplace=False: _apply("relu", x),
    "where": where,
    **dict.fromkeys(("clamp", "clip"), clamp),
    "clamp_min": lambda x, min: clamp(x, min),
    "clamp_max": lambda x, max: clamp(x, None, max),
    "hardtanh": lambda x, min_val=-1.0, max_val=1.0, inplace=False: where(
        as_symbol(x) <= min_val, min_val, where(as_symbol(x) >= max_val, max_val, x)
    ),
    "hardsigmoid": lambda x, inplace=False: clamp(as_symbol(x) * (1 / 6) + 0.5, 0.0, 1.0),
    "pow": power,
    "square": lambda x: as_symbol(x) * x,
    "reciprocal": lambda x: _apply("div", 1.0, x),
    "rsqrt": lambda x: _apply("div", 1.0, _apply("sqrt", x)),
    "sign": sign,
    **dict.fromkeys(("remainder", "mod"), remainder),
    "sum": total,
    "mean": mean,
    "unit_mean": unit_mean,
    "softplus": softplus,
    "log_sigmoid": _elementwise("logsigmoid"),  # what torch.nn.functional.logsigmoid is called
    "silu": lambda x, inplace=False: as_symbol(x) * sigmoid(x),
    "gelu": gelu,
    "elu": elu,
    "leaky_relu": lambda x, negative_slope=0.01, inplace=False: where(
        as_symbol(x) > 0.0, x, as_symbol(x) * negative_slope
    ),
    "softsign": lambda x: as_symbol(x) / (_apply("abs", x) + 1.0),
    "lerp": lambda a, b, weight: as_symbol(a) + (as_symbol(b) - a) * weight,
    "addcmul": lambda x, a, b, value=1: as_symbol(x) + as_symbol(a) * b * value,
    "zeros_like": lambda x: as_symbol(0.0),
    "ones_like": lambda x: as_symbol(1.0),
    "full_like": lambda x, fill_value: as_symbol(fill_value),
    "clone": lambda x: x,
}
