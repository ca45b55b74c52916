"""Gradients of the maps: over many steps in one product each."""

from collections.abc import Set

import torch
from torch import Tensor

from lstmzoo.nn.engines.native import convolution
from lstmzoo.nn.engines.native.arrays import Memory, Tensors
from lstmzoo.nn.engines.native.image_rows import ImageRows
from lstmzoo.nn.engines.native.program import Product


def add_matrix_gradients(memory: Memory, kept: Tensors, wanted: Set[str], found: Tensors, piece: slice) -> None:
    """Add what the steps of a piece give to the gradients of the maps and of the biases in the steps.

    Args:
        memory: the arrays of the backward pass.
        kept: what the forward pass kept.
        wanted: names of the tensors whose gradients are wanted.
        found: their gradients so far.
        piece: times.
    """
    given = memory.given
    for product in memory.run.kernel.program.products:
        name, bias = f"d_{product.name}", product.blocks[0].attributes[2]
        d = memory.part(name if name in memory.places else "d_x", piece)  # (steps, B, blocks · H)
        if bias in wanted:
            total = found.setdefault(bias, torch.zeros_like(given[bias]))
            total[_part(product, d.shape[2])] += d.sum((0, 1))
        if product.matrix in wanted:
            total = found.setdefault(product.matrix, torch.zeros_like(given[product.matrix]))
            for gradients, vectors in _pairs(memory, kept, product.name, piece, d):
                _add_product(memory.run.layout, total, product, gradients, vectors)


def _add_product(layout: ImageRows | None, total: Tensor, product: Product, gradients: Tensor, vectors: Tensor) -> None:
    """Add to a matrix' gradient what a product gives: gradients (steps, B, ·) times what was multiplied."""
    if layout is None:
        total[_part(product, gradients.shape[2])].addmm_(gradients.flatten(0, 1).t(), vectors.flatten(0, 1))
    else:
        of, result = (layout.images(v).flatten(0, 1) for v in (vectors, gradients))
        part = total[_part(product, result.shape[1])]
        part += convolution.weight_gradient(part, of, result)


def _part(product: Product, rows: int) -> slice:
    """The rows of its matrix that a product uses, if its results have some number of them."""
    size = rows // len(product.blocks)
    return slice(product.first * size, product.first * size + rows)


def _pairs(memory: Memory, kept: Tensors, name: str, piece: slice, d: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Gradients (steps, B, ·) of a product's results in a piece beside the vectors (steps, B, ·) it multiplied."""
    given = memory.given
    kind, of, _ = memory.run.kernel.program.vectors_of_products[name].attributes
    if kind != "state":
        return [(d, (given[of] if of in given else kept[of])[piece])]
    states, first = kept[f"{of}_states"], given[f"{of}_first"][None]
    if memory.run.reverse:
        before = states[piece.start + 1 : piece.stop + 1]
        pairs = [(d[: len(before)], before), (d[len(before) :], first)]
    else:
        before = states[max(0, piece.start - 1) : piece.stop - 1]
        at = len(d) - len(before)  # 1 in the first piece
        pairs = [(d[:at], first), (d[at:], before)]
    return [pair for pair in pairs if len(pair[0])]
