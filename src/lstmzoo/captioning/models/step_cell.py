"""One step of any recurrent cell, and its initial state from an image: what the word-by-word models are built on."""

from torch import Tensor, nn

from lstmzoo.models.argument_checks import find_cell
from lstmzoo.nn import Recurrent, init

States = tuple[Tensor, ...]  # one per name in cell.state, (R, ...) each


class StepCell(nn.Module):
    """A recurrent cell that is fed one step at a time, because what it reads depends on its own output.

    Args:
        cell: one of :func:`lstmzoo.nn.list_cells`, or your own, ``my_module:MyCell``.
        input_size: I.
        hidden_size: H.
        forget_bias: as of `RecurrentCaptioner`.
        chrono: likewise.
    """

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        forget_bias: init.ForgetBias = None,
        chrono: int | None = None,
    ) -> None:
        super().__init__()
        core = find_cell(cell)
        # The plain loop: over one step it is the fastest engine, the others prepare for many.
        self.rnn = Recurrent(
            core,
            input_size,
            hidden_size,
            forget_bias=init.forget_bias_for(core, forget_bias),
            chrono=init.forget_bias_for(core, chrono),
            engine="reference",
        )
        self.shapes = self.rnn.cell.state_shapes(hidden_size, hidden_size)

    def forward(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """One step.

        Args:
            x: (R, I).
            states: the states before, (R, ...) each, in the order of ``cell.state``.

        Returns:
            h (R, H), and the states after.
        """
        output, last = self.rnn(x.unsqueeze(0), tuple(s.unsqueeze(0) for s in states))
        return output[0], self.unstacked(last)

    def read(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Read whole sequences, by whichever engine is fastest.

        Args:
            x: (T, R, I).
            lengths: (R,) steps of each.

        Returns:
            h (T, R, H).
        """
        engine, self.rnn.engine = self.rnn.engine, "auto"
        try:
            return self.rnn(x, lengths=lengths)[0]  # type: ignore[no-any-return]
        finally:
            self.rnn.engine = engine

    @staticmethod
    def unstacked(last: Tensor | States) -> States:
        """What `Recurrent` returns as its last state, without the dimension of layers."""
        return tuple(s[0] for s in ((last,) if isinstance(last, Tensor) else last))

    def zeros(self, like: Tensor) -> States:
        """The initial states of zeros, for as many rows, of the type and on the device of a tensor (R, ...)."""
        return tuple(like.new_zeros(like.shape[0], *shape) for shape in self.shapes.values())


class FirstState(nn.Module):
    """A cell's initial state from an image: h₀ = tanh(W_h v̄), c₀ = tanh(W_c v̄) (Xu et al. 2015, section 3.1.2).

    States beyond h and c (normalisers, matrix memories) have a meaning of their own for their zero; they start there,
    and so does a c that means something only together with them (sLSTM's, which is divided by its normaliser n).

    Args:
        core: the cell.
        feature_size: length of v̄.
    """

    def __init__(self, core: StepCell, feature_size: int) -> None:
        super().__init__()
        self.shapes = core.shapes
        alone = set(core.rnn.cell.zoneout_states) & {"h", "c"}  # those that mean something by themselves
        vectors = {name: shape[0] for name, shape in core.shapes.items() if name in alone and len(shape) == 1}
        self.maps = nn.ModuleDict({name: nn.Linear(feature_size, size) for name, size in vectors.items()})

    def forward(self, mean: Tensor) -> States:
        """The states (R, ...) for v̄ (R, feature_size)."""
        return tuple(
            self.maps[name](mean).tanh() if name in self.maps else mean.new_zeros(mean.shape[0], *shape)
            for name, shape in self.shapes.items()
        )
