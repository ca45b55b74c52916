"""The parameters of a recurrent module: their shapes, how they are drawn, and what engines get of them."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from lstmzoo.nn.call import States
from lstmzoo.nn.regularise import Regularisation
from lstmzoo.nn.torch_names import TorchNames
from lstmzoo.nn.weights import Weights


class LayerParameters(TorchNames):
    """Parameters of every layer and direction, named as torch.nn names them; see `lstmzoo.nn.Recurrent`."""

    bias: bool
    learn_state: bool
    regularisation: Regularisation
    initialisation: dict[str, Any]  # arguments of `lstmzoo.nn.init.initialise_`
    num_directions: int  # 1, or 2 if bidirectional
    output_size: int  # of h in one direction: ``proj_size`` if there is a projection, else ``hidden_size``
    suffixes: list[str]  # ends of the parameters' names, one per layer and direction
    _state_shapes: dict[str, tuple[int, ...]]
    weights_class: type[Weights] = Weights
    _dims, _features_at = 3, -1  # dimensions of a batch of sequences, and which is that of the features

    def derive_sizes(self) -> None:
        """Set what follows from the constructor's arguments, and is needed in every call."""
        self.num_directions = 2 if self.bidirectional else 1
        self.output_size = self.proj_size or self.hidden_size
        ends = ("", "_reverse")[: self.num_directions]
        self.suffixes = [f"_l{layer}{end}" for layer in range(self.num_layers) for end in ends]
        self._state_shapes = self.cell.state_shapes(self.hidden_size, self.output_size)

    def _weight_shape(self, rows: int, columns: int, of: str) -> tuple[int, ...]:
        """Shape of a map; ``of`` tells what it acts on: ``"input"`` or ``"hidden"``."""
        return (rows, columns)

    def _vector_shape(self, name: str, size: int) -> tuple[int, ...]:
        """Shape of a vector that acts elementwise on the units."""
        return self._per_unit((size,))

    def _per_unit(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape with ones for the dimensions after the units' (height and width in the convolutional form)."""
        return (*shape, *[1] * (self._dims - 3))

    def _fan_in(self, weight: Tensor) -> int:
        """How many values a parameter's map adds up; ±1/√ of it is the range that the parameter is drawn from."""
        return self.hidden_size

    def _parameter_shapes(self, first_layer: bool) -> dict[str, tuple[int, ...]]:
        """Shapes of all parameters of one layer and direction, by torch's names without the suffix."""
        cell, hidden = self.cell, self.hidden_size
        sizes = cell.gate_sizes(hidden)
        rows, rows_hh = sum(sizes.values()), sum(sizes[gate] for gate in cell.recurrent_gates)
        columns = self.input_size if first_layer else self.output_size * self.num_directions
        shapes = {"weight_ih": self._weight_shape(rows, columns, "input")}
        if rows_hh:  # no R where no gate has its product
            shapes["weight_hh"] = self._weight_shape(rows_hh, self.output_size, "hidden")
        if self.bias and cell.biased:
            shapes |= {"bias_ih": (rows,), **({"bias_hh": (rows_hh,)} if rows_hh else {})}
        if self.proj_size:
            shapes["weight_hr"] = self._weight_shape(self.proj_size, hidden, "hidden")
        shapes |= {name: self._vector_shape(name, hidden) for name in cell.vectors}
        ends = {"hidden": hidden, "input": columns}
        return shapes | {k: self._weight_shape(ends[to], ends[of], of) for k, (to, of) in cell.matrices.items()}

    def _add_parameters(self, suffix: str, factory: dict[str, Any]) -> None:
        shapes = self._parameter_shapes(suffix in ("_l0", "_l0_reverse"))
        for name, shape in shapes.items():
            self.register_parameter(name + suffix, Parameter(torch.empty(shape, **factory)))
        self._all_weights.append([name + suffix for name in shapes])
        if self.learn_state:
            for name, shape in self._state_shapes.items():
                learned = Parameter(torch.empty(self._per_unit(shape), **factory))
                self.register_parameter(f"first_{name}{suffix}", learned)
        constants = dict(self.cell.make_constants(self.hidden_size))
        mask = self.cell.recurrent_mask(self.hidden_size)
        if mask is not None:
            constants["mask_hh"] = mask.repeat(len(self.cell.recurrent_gates), 1)
        for name, value in constants.items():
            value = value.reshape(self._per_unit(value.shape))
            value = value.to(factory["device"], factory["dtype"] or torch.get_default_dtype())
            self.register_buffer(name + suffix, value, persistent=False)

    def draw_parameters(self) -> None:
        """Draw all parameters uniformly in ±1/√H as torch.nn does, but for those of a cell's own modules."""
        for name, weight in self.named_parameters():
            if name.startswith("learned."):
                continue
            bound = 1.0 / math.sqrt(self._fan_in(weight))
            torch.nn.init.uniform_(weight, -bound, bound)

    def state_shapes(self, like: Tensor) -> dict[str, tuple[int, ...]]:
        """Shape of every state of one sequence, for this input."""
        return self._state_shapes

    def initial_state(self, like: Tensor, batch: int) -> States:
        """The state that every sequence begins with: learned, or the cell's constant, mostly 0.

        Args:
            like: an input, for its device and type.
            batch: B.

        Returns:
            A tuple over ``cell.state`` of (L·D, B, ...).
        """
        states, constants = [], self.cell.initial_values
        for name, shape in self.state_shapes(like).items():
            if self.learn_state:
                learned = [getattr(self, f"first_{name}{suffix}") for suffix in self.suffixes]
                states.append(torch.stack([w.expand(batch, *shape) for w in learned]))
            else:
                state = torch.zeros(len(self.suffixes), batch, *shape, dtype=like.dtype, device=like.device)
                states.append(state.fill_(constants[name]) if name in constants else state)
        return tuple(states)

    def weights(self) -> tuple[Weights, ...]:
        """W, R and all else that every layer and direction has learned, in the order of `suffixes`."""
        found = []
        parameters: Any = self._parameters
        buffers: Any = self._buffers
        for suffix, names in zip(self.suffixes, self._all_weights, strict=True):
            named: dict[str, Any] = {}
            for name in names:  # one that is parametrised, pruned or replaced is no parameter for a while
                named[name.removesuffix(suffix)] = parameters[name] if name in parameters else getattr(self, name)
            if buffers:
                named |= {name: getattr(self, name + suffix) for name in self.cell.constants}
                if "mask_hh" + suffix in buffers:
                    named["weight_hh"] = named["weight_hh"] * buffers["mask_hh" + suffix]
            found.append(self.weights_class(self.cell, self.hidden_size, named))
        return tuple(found)
