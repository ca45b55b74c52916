"""Answers in tables."""

from collections.abc import Sequence

import numpy as np


def answer_heads(classes: Sequence[str]) -> list[str]:
    """The heads of `answer_cells`."""
    return ["answer", *(f"p_{name}" for name in classes if len(classes) > 1)]


def answer_cells(classes: Sequence[str], output: Sequence[float]) -> list[str]:
    """An answer for a table.

    Args:
        classes: names of the outputs; one for a regression.
        output: (K,) of the model.

    Returns:
        The name of the largest output and the probabilities of all; of a regression, the number.
    """
    if len(classes) == 1:
        return [f"{output[0]:.6f}"]
    powers = np.exp(np.subtract(output, max(output)))
    return [classes[int(np.argmax(powers))], *(f"{p:.4f}" for p in powers / powers.sum())]
