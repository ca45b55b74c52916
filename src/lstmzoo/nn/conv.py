"""The convolutional form of every cell: W, R and the other maps are convolutions, the equations the same."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from lstmzoo.errors import unknown_choice
from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import get_cell, list_cells
from lstmzoo.nn.recurrent import Recurrent
from lstmzoo.nn.weights import Weights

Pair = tuple[int, int]
PEEPHOLES = ("none", "channel", "full")


class ConvWeights(Weights):
    """`Weights` that are applied as convolutions of stride 1 which keep the size of the image."""

    def product(self, weight: Tensor, bias: Tensor | None, v: Tensor) -> Tensor:
        """Convolve images, (..., C, H, W) → (..., rows of the weight, H, W), of all leading dimensions in one call."""
        height, width = weight.shape[-2:]
        images = v.flatten(0, -4)
        padding = (height // 2, width // 2)
        if height % 2 == 0 or width % 2 == 0:  # of the zeros around the image, the odd one goes below and to the right
            images = F.pad(images, ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2))
            padding = (0, 0)
        return F.conv2d(images, weight, bias, padding=padding).unflatten(0, v.shape[:-3])


class ConvRecurrent(Recurrent):
    """Runs any cell with convolutions for maps, over sequences of images.

    For the LSTM, with ∗ the convolution and zeros around the image so that it keeps its size:

    z_k = W_k ∗ x_t + b_k + R_k ∗ h_{t−1} + b'_k        for k = i, f, g, o; the rest as for vectors, pixel by pixel

    With G gates, C = ``hidden_channels``, L = ``num_layers`` and D = 2 if bidirectional else 1, layer k has
    ``weight_ih_lk`` (G·C, in, K, K), ``weight_hh_lk`` (G·C, C, K, K), ``bias_ih_lk`` and ``bias_hh_lk`` (G·C,), and the
    cell's own vectors (C, 1, 1) and maps. Every map is drawn as torch.nn.Conv2d draws it, uniform in ±1/√(its fan-in),
    channels · K · K, so that z is as large for 3 channels as for 300; biases and vectors in ±1/√(the fan-in of R). With
    1×1 kernels that is what torch.nn.LSTM has for R.

    Source: Shi et al. 2015, "Convolutional LSTM network", section 3.1; for the GRU: Ballas et al. 2016, "Delving deeper
    into convolutional networks for learning video representations", section 3.

    Args:
        cell: a registered name, a `Cell` subclass or a `Cell` object whose ``convolutional`` is True.
        in_channels: channels of the input images.
        hidden_channels: units per pixel, C.
        kernel_size: size of the kernels that act on the input, K or (height, width); odd or even.
        num_layers: layers, each fed with the output of the one below.
        bias: whether there are biases.
        batch_first: whether input and output are (B, T, ...) rather than (T, B, ...); states are not affected.
        dropout: probability of dropping an output of any layer but the last, in training.
        bidirectional: whether to run a second set of layers from the last step to the first and concatenate channels.
        peephole: for cells with peepholes (vectors named p_...): a weight per channel (``"channel"``), a weight per
            channel and pixel as in the paper (``"full"``), or none (``"none"``). Other vectors are always per channel.
        image_size: H or (H, W), needed with ``peephole="full"``, which holds for images of that size only.
        recurrent_kernel_size: size of the kernels that act on h (or on whatever takes its place); as ``kernel_size``
            if not given.
        **options: the other options of `Recurrent`, from ``proj_size`` to ``dtype``; learned first states are one
            number per channel, ``orthogonal`` is over channels and kernel together.

    Raises:
        ValueError: for an unknown cell, one without convolutional form, or sizes that make no sense.
        TypeError: for an argument of the wrong type.
    """

    weights_class = ConvWeights
    _dims, _features_at = 5, -3

    def __init__(
        self,
        cell: str | type[Cell] | Cell,
        in_channels: int,
        hidden_channels: int,
        kernel_size: int | Pair,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        peephole: str = "channel",
        image_size: int | Pair | None = None,
        recurrent_kernel_size: int | Pair | None = None,
        **options: Any,
    ) -> None:
        form = _convolutional_form(get_cell(cell), peephole)
        # set before torch's constructor, because the parameters that are made there have these sizes
        self.kernel_size = _pair("kernel_size", kernel_size)
        self.recurrent_kernel_size = self.kernel_size
        if recurrent_kernel_size is not None:
            self.recurrent_kernel_size = _pair("recurrent_kernel_size", recurrent_kernel_size)
        self.peephole = peephole
        self.image_size = None if image_size is None else _pair("image_size", image_size)
        _check_image_size(peephole, self.image_size)
        common = (num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(form, in_channels, hidden_channels, *common, **options)

    in_channels = property(lambda self: self.input_size, doc="Channels of the input images.")
    hidden_channels = property(lambda self: self.hidden_size, doc="Units per pixel.")

    def _weight_shape(self, rows: int, columns: int, of: str) -> tuple[int, ...]:
        return (rows, columns, *(self.kernel_size if of == "input" else self.recurrent_kernel_size))

    def _vector_shape(self, name: str, size: int) -> tuple[int, ...]:
        if self.image_size is not None and _is_peephole(name):
            return (size, *self.image_size)
        return self._per_unit((size,))

    def _fan_in(self, weight: Tensor) -> int:
        if weight.dim() == 4:  # a map; all else is added to what R gives
            return weight[0].numel()
        return self.output_size * self.recurrent_kernel_size[0] * self.recurrent_kernel_size[1]

    def state_shapes(self, like: Tensor) -> dict[str, tuple[int, ...]]:
        """Shape of every state of one sequence: an image of the input's size, or one number where a cell counts."""
        shapes = super().state_shapes(like)
        wider = self.cell.state_shapes(self.hidden_size + 1, self.output_size + 1)
        image = like.shape[-2:]
        return {k: self._per_unit(s) if s == wider[k] else (*s, *image) for k, s in shapes.items()}

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        lengths: Tensor | list[int] | None = None,
        *,
        reset: Tensor | None = None,
        return_states: bool = False,
    ) -> Any:
        """Run over a batch of sequences of images.

        Args:
            input: (T, B, in, H, W), or (B, T, in, H, W) if batch_first, or (T, in, H, W) for one sequence.
            hx: first state, as it is returned: a tensor for cells with one state, else a tuple in the order of
                ``cell.state``; each (L·D, B, C, H, W), or (L·D, C, H, W) for one sequence.
            lengths: (B,), steps of every sequence; see `Recurrent.forward`.
            reset: (T, B), or (B, T) if batch_first, bool: where a sequence restarts before the step.
            return_states: whether all states of all layers over time are returned as well.

        Returns:
            As `Recurrent.forward`, with (..., D·C, H, W) in place of (..., D·H).

        Raises:
            TypeError: for a PackedSequence.
            RuntimeError, ValueError: if sizes, dimensions or types don't fit.
        """
        if isinstance(input, PackedSequence):
            title = type(self).__name__
            raise TypeError(f"{title} takes no PackedSequence; give the padded images with lengths=[...] instead")
        if not isinstance(input, torch.fx.Proxy):
            self._check_images(input)
        return super().forward(input, hx, lengths, reset=reset, return_states=return_states)

    def _check_images(self, x: Tensor) -> None:
        title, image = type(self).__name__, tuple(x.shape[-2:])
        if x.dim() not in (4, 5):
            batch = "(B, T, C, H, W)" if self.batch_first else "(T, B, C, H, W)"
            raise ValueError(
                f"{title}: expected {batch}, or (T, C, H, W) for one sequence, got {x.dim()} dimensions, "
                f"{tuple(x.shape)}; add what is missing with unsqueeze"
            )
        if x.size(-3) != self.in_channels:
            raise RuntimeError(
                f"{title}: expected {self.in_channels} input channels, got {x.size(-3)} in (..., C, H, W) = "
                f"{tuple(x.shape)}; make the module with in_channels={x.size(-3)}, or bring the channels there"
            )
        if self.image_size is not None and image != self.image_size:
            raise RuntimeError(
                f"{title}: peephole='full' has weights for images of {self.image_size}, got {image}; "
                f"resize the images, or make the module with image_size={image} or peephole='channel'"
            )

    def _sizes_repr(self) -> list[str]:
        parts = [*super()._sizes_repr(), f"kernel_size={self.kernel_size}"]
        if self.recurrent_kernel_size != self.kernel_size:
            parts.append(f"recurrent_kernel_size={self.recurrent_kernel_size}")
        if self.image_size is not None:
            parts.append(f"peephole='full', image_size={self.image_size}")
        elif self.peephole == "none":
            parts.append("peephole='none'")
        return [self._cell_repr(), *parts] if type(self) is ConvRecurrent else parts


class _Named(ConvRecurrent):
    """A `ConvRecurrent` of one cell: its arguments but the first."""

    cell_name: ClassVar[str]

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel_size: int | Pair,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **options: Any,
    ) -> None:
        common = (num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(self.cell_name, in_channels, hidden_channels, kernel_size, *common, **options)


class ConvLSTM(_Named):
    """Convolutional LSTM without peepholes: ``ConvRecurrent("lstm", ...)``.

    Source: Shi et al. 2015, section 3.1, equation 3 without the terms W_c ∘ C.
    """

    cell_name = "lstm"


class ConvGRU(_Named):
    """Convolutional GRU, reset gate after the convolution as in torch's GRU: ``ConvRecurrent("gru", ...)``.

    Source: Ballas et al. 2016, section 3, with the reset gate before the convolution (the cell "gru_reset_before").
    """

    cell_name = "gru"


class ConvPeepholeLSTM(_Named):
    """Convolutional LSTM with peepholes: ``ConvRecurrent("peephole_lstm", ...)``.

    Source: Shi et al. 2015, section 3.1, equation 3: exactly that with ``peephole="full"``.
    """

    cell_name = "peephole_lstm"


def _is_peephole(name: str) -> bool:
    return name.startswith("p_")


def _convolutional_form(cell: Cell, peephole: str) -> Cell:
    """Return the cell without what doesn't hold for convolutions: torch's kernel, and peepholes that are not wanted.

    Raises:
        ValueError: if it has no convolutional form, or no peepholes that could be full.
    """
    if not cell.convolutional:
        valid = ", ".join(name for name in list_cells() if get_cell(name).convolutional)
        raise ValueError(f"the cell {cell!r} has no convolutional form; choose one that has: {valid}")
    if peephole not in PEEPHOLES:
        raise ValueError(unknown_choice("peephole", peephole, PEEPHOLES))
    peepholes = tuple(name for name in cell.vectors if _is_peephole(name))
    if peephole == "full" and not peepholes:
        raise ValueError(f"peephole='full': the cell {cell!r} has no peepholes; leave the argument out")
    form = copy.copy(cell)
    form.aten = None  # type: ignore[misc]
    if peephole == "none" and peepholes:
        form.vectors = tuple(name for name in cell.vectors if name not in peepholes)  # type: ignore[misc]
        form.constants = (*cell.constants, *peepholes)  # type: ignore[misc]
        form.make_constants = partial(_with_zeros, cell.make_constants, peepholes)  # type: ignore[method-assign]
    return form


def _with_zeros(
    make: Callable[[int], dict[str, Tensor]], peepholes: tuple[str, ...], hidden_size: int
) -> dict[str, Tensor]:
    return {**make(hidden_size), **{name: torch.zeros(hidden_size) for name in peepholes}}


def _check_image_size(peephole: str, image_size: Pair | None) -> None:
    if peephole == "full" and image_size is None:
        raise ValueError(
            "peephole='full' has a weight for every pixel: give image_size=(H, W), or choose peephole='channel'"
        )
    if peephole != "full" and image_size is not None:
        raise ValueError(
            f"image_size={image_size} is for peephole='full' only; with peephole={peephole!r} any image size will do"
        )


def _pair(name: str, value: Any) -> Pair:
    """Return (height, width) for one number or two.

    Raises:
        ValueError: for anything else than one or two whole numbers from 1.
    """
    pair = (value, value) if isinstance(value, int) else tuple(value) if isinstance(value, list | tuple) else ()
    if len(pair) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in pair):
        raise ValueError(f"{name} must be a whole number from 1, or two of them (height, width); got {value!r}")
    return pair
