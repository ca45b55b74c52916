"""What a recurrent cell is: its gates, its state, and one step of a few lines."""

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from torch import Tensor
from torch.nn import Module, Parameter

from lstmzoo.errors import unknown_choice
from lstmzoo.nn.declaration import check_declaration

Activation = Callable[[Tensor], Tensor]


class SeparateTerms(NamedTuple):
    """A gate's pre-activation with its two products kept apart: ``x`` is W x + b, ``h`` is R h + b'."""

    x: Tensor
    h: Tensor


class Deferred(NamedTuple):
    """A gate's pre-activation that waits for the vector its recurrent matrix acts on: ``z.n(r * s.h)``."""

    x: Tensor  # W x + b
    recurrent: Callable[[Tensor], Tensor]

    def __call__(self, v: Tensor) -> Tensor:
        """Return W x + b + R v + b'."""
        return self.x + self.recurrent(v)


class ManualProjection(NamedTuple):
    """The input before any map, for cells that change x and h first: ``z = z(x, h)`` gives the pre-activations."""

    x: Tensor
    project: Callable[[Tensor, Tensor], Any]

    def __call__(self, x: Tensor, h: Tensor) -> Any:
        """Return the pre-activations of every gate for this x and this h."""
        return self.project(x, h)


class Cell:
    """A recurrent cell, written as its equations; subclass it and give it to `Recurrent`.

    A cell multiplies no matrices. The driver hands `step` the pre-activation of every
    gate, ``z.k = W_k x_t + b_k + R_k h_{t-1} + b'_k``, and takes back the next state. Layers, directions, packed
    sequences, projection, streaming and tracing follow from that. A complete cell::

        @register_cell("peephole_lstm")
        class PeepholeLSTM(Cell):
            gates = {"i": torch.sigmoid, "f": torch.sigmoid, "g": torch.tanh, "o": torch.sigmoid}
            state = ("h", "c")
            vectors = ("p_i", "p_f", "p_o")

            def step(self, z, s, gate, p):
                i = gate.i(z.i + p.p_i * s.c)
                f = gate.f(z.f + p.p_f * s.c)
                c = f * s.c + i * gate.g(z.g)
                o = gate.o(z.o + p.p_o * c)
                return self.State(h=o * torch.tanh(c), c=c)

    What equations like these learn is declared (``vectors``, ``matrices``), so that each layer and direction gets its
    own, and the step can be compiled. Modules and parameters that a cell makes in ``__init__``
    (``self.readout = torch.nn.Linear(8, 8)``) are trained, saved and moved with the `Recurrent` that runs it, too; all
    its layers and directions share them, they keep the values they were made with, and the step runs in the plain loop.

    Attributes:
        gates: name of every gate and its activation; the order is that of the row blocks of the weights.
        state: names of the state tensors; the first is ``"h"``, the cell's output.
        vectors: names of learned vectors of hidden size that act elementwise (peepholes, for instance).
        vector_init: value that a vector starts with, where it is not drawn like the weights (gains start at 1).
        matrices: further learned maps: name → (to, from), each ``"hidden"`` or ``"input"``; ``p.q(v)`` applies one.
        constants: names of vectors of hidden size that are not learned; `make_constants` gives their values.
        separate_terms: gates that arrive as `SeparateTerms`, W x and R h apart (GRU's candidate; layer normalisation).
        input_only: gates that see the input only: they have no rows in R (minimal and simple recurrent units).
        deferred: gates that arrive as `Deferred`, where R acts on something other than h; they come last in ``gates``.
        manual_projection: whether ``z`` arrives as `ManualProjection`, for cells that change x and h before the maps
            (mogrifier).
        below: a state of the layer below that the step sees as ``z.below`` (zeros in the lowest layer), or None.
        biased: whether the maps have biases (normalised cells add theirs after the normalisation, as vectors).
        initial_values: value that a state starts with, where it is not 0.
        forget_gate: the gate that keeps the old state when it is 1, if there is one (for bias initialisation).
        input_gate: the gate that admits new content when it is 1, if it is a gate of its own.
        coupled_input_forget: whether what the input gate does not admit is kept of the old state,
            h = (1 − i) h₋ + i n (no forget gate then; for bias initialisation).
        zoneout_states: states that ``zoneout`` given as one number acts on, where the cell has them; not counters,
            scales or other states that mean something only together with the rest of the step.
        projectable: whether h may be projected to a smaller size because c alone carries the memory (LSTMP).
        convolutional: whether the cell makes sense with convolutions for maps.
        aten: torch's name of this very cell ("LSTM", "GRU", "RNN_TANH", "RNN_RELU"), whose kernels then serve it.
        name: the name it is registered under.
        learned: holds the modules and parameters that were set on the object; None if there are none.
        revision: how many settings were set so far, as text: torch.compile compares text, and compiles anew.
    """

    gates: ClassVar[Mapping[str, Activation]]
    state: ClassVar[tuple[str, ...]]
    vectors: ClassVar[tuple[str, ...]] = ()
    vector_init: ClassVar[Mapping[str, float]] = {}
    matrices: ClassVar[Mapping[str, tuple[str, str]]] = {}
    constants: ClassVar[tuple[str, ...]] = ()
    separate_terms: ClassVar[tuple[str, ...]] = ()
    input_only: ClassVar[tuple[str, ...]] = ()
    deferred: ClassVar[tuple[str, ...]] = ()
    manual_projection: ClassVar[bool] = False
    below: ClassVar[str | None] = None
    biased: ClassVar[bool] = True
    initial_values: ClassVar[Mapping[str, float]] = {}
    forget_gate: ClassVar[str | None] = None
    input_gate: ClassVar[str | None] = None
    coupled_input_forget: ClassVar[bool] = False
    zoneout_states: ClassVar[tuple[str, ...]] = ("h", "c")
    projectable: ClassVar[bool] = False
    convolutional: ClassVar[bool] = True
    aten: ClassVar[str | None] = None
    name: ClassVar[str | None] = None
    learned: Module | None = None
    revision: str = "0"

    bias_in_steps: ClassVar[bool]  # whether b' acts on R h alone, so that it can't be added to W x + b beforehand
    State: ClassVar[Callable[..., Any]]  # a named tuple of the state tensors
    Gates: ClassVar[Callable[..., Any]]  # a named tuple over the gates: their functions
    Inputs: ClassVar[Callable[..., Any]]  # a named tuple over the gates: their pre-activations (and ``below``)

    step: Callable[..., Any]
    """``step(z, s, gate, p) -> self.State(...)``: one step of time.

    ``z``: pre-activations, one per gate, (B, H) each. ``s``: the state before, e.g. ``s.h``, ``s.c``, (B, H) each.
    ``gate``: the gates' functions; ``gate.f(z.f)`` is the value of gate f. They are the activations in ``gates``
    unless a probe records or clamps them. ``p``: the learned vectors, (H,) each, and maps.
    """

    parallel: ClassVar[Callable[..., Any] | None] = None
    """``parallel(z, s, gate, p) -> (h, self.State(...))``: all steps at once, where a cell has a form for that.

    As `step`, but ``z`` holds the pre-activations of all steps, (T, B, H) each, of gates that all see the input only;
    it returns h of all steps and the last state. ``z.k`` = ∞ for the forget gate and −∞ for the input gate must leave
    the state as it is: so it is where a sequence is over.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A cell derived from another has equations of its own: neither its kernel nor its name passes down.
        for own in ("aten", "name", *(("parallel",) if "step" in vars(cls) else ())):
            if own not in vars(cls):
                setattr(cls, own, None)
        if getattr(cls, "gates", None) is None or getattr(cls, "state", None) is None:
            return  # an abstract family of cells
        check_declaration(cls)
        cls.bias_in_steps = bool(cls.separate_terms or cls.deferred or cls.manual_projection)
        cls.State = _record("State", "state", cls.state)
        cls.Gates = _record("Gates", "gate", tuple(cls.gates))
        cls.Inputs = _record("Inputs", "gate", (*cls.gates, *(("below",) if cls.below else ())))

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep modules and parameters in a module of their own, which `Recurrent` takes for a part of itself."""
        if not isinstance(value, Module | Parameter) or name == "learned":
            if self._has_learned(name):
                delattr(self.learned, name)
            object.__setattr__(self, name, value)
            object.__setattr__(self, "revision", str(int(self.revision) + 1))
            return
        vars(self).pop(name, None)  # it would hide what is learned
        if self.learned is None:
            self.learned = Module()
        setattr(self.learned, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.learned, name) if self._has_learned(name) else object.__delattr__(self, name)

    def _has_learned(self, name: str) -> bool:
        learned = vars(self).get("learned")
        return learned is not None and (name in learned._parameters or name in learned._modules)

    def __getattr__(self, name: str) -> Any:
        learned = vars(self).get("learned")
        if learned is None or name.startswith("__") or hasattr(type(self), name) or not hasattr(learned, name):
            return object.__getattribute__(self, name)  # it says what is missing, and a property what it missed
        return getattr(learned, name)

    @property
    def Parameters(self) -> Callable[..., Any]:
        """A named tuple of the vectors, constants and matrices."""
        return _parameters_class((*self.vectors, *self.constants, *self.matrices))

    @property
    def recurrent_gates(self) -> tuple[str, ...]:
        """The gates with a recurrent product, in the order of the row blocks of R."""
        return tuple(gate for gate in self.gates if gate not in self.input_only)

    @property
    def retention_gate(self) -> tuple[str, int] | None:
        """The gate that decides how much of the old state is kept, and whether it keeps when it is 1 (+1) or 0 (−1)."""
        if self.forget_gate is not None:
            return self.forget_gate, 1
        return (self.input_gate, -1) if self.coupled_input_forget and self.input_gate is not None else None

    def state_shapes(self, hidden_size: int, output_size: int) -> dict[str, tuple[int, ...]]:
        """Shape of every state tensor of one sequence.

        Args:
            hidden_size: units per gate, H.
            output_size: size of h: H, or the projection's size.

        Returns:
            ``{"h": (output_size,), "c": (hidden_size,), ...}``; a cell with a matrix memory overrides this.
        """
        return {name: (output_size if name == "h" else hidden_size,) for name in self.state}

    def gate_sizes(self, hidden_size: int) -> dict[str, int]:
        """Rows of every gate in the weights.

        Args:
            hidden_size: units, H.

        Returns:
            Gate → rows: H, unless a cell with gates shared by several units overrides this.
        """
        return dict.fromkeys(self.gates, hidden_size)

    def make_constants(self, hidden_size: int) -> dict[str, Tensor]:
        """Values of `constants`.

        Args:
            hidden_size: units, H.

        Returns:
            Name → (H,).
        """
        return {}

    def recurrent_mask(self, hidden_size: int) -> Tensor | None:
        """Which units may see which through R.

        Args:
            hidden_size: units, H.

        Returns:
            (H, H) of 0 and 1, rows seeing columns, that every gate's block of R is multiplied with; None: all.
        """
        return None

    @property
    def settings(self) -> dict[str, Any]:
        """What this object was made with, without what follows from it (matrices of its own, say)."""
        return {name: value for name, value in vars(self).items() if not hasattr(Cell, name)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.settings.items())})"


def _record(name: str, kind: str, fields: tuple[str, ...]) -> Callable[..., Any]:
    """A named tuple that knows near names when it is asked for one that it has not."""
    record = namedtuple(name, fields)  # type: ignore[misc]

    def missing(self: Any, wanted: str) -> Any:
        raise AttributeError(unknown_choice(kind, wanted, fields) if wanted[:1] != "_" else wanted)

    record.__getattr__ = missing  # type: ignore[attr-defined]
    return record


_PARAMETERS: dict[tuple[str, ...], Callable[..., Any]] = {}  # torch.compile looks dictionaries up, but not caches


def _parameters_class(names: tuple[str, ...]) -> Callable[..., Any]:
    if names not in _PARAMETERS:
        _PARAMETERS[names] = _record("Parameters", "vector, constant or matrix", names)
    return _PARAMETERS[names]
