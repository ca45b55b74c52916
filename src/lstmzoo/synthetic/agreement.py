"""Sentences whose last word agrees with their first, with words between that know neither.

"She saw a red circle and counted 1 2 3 4 5, did she." Who speaks is drawn apart from the image, and every number
follows from the one before: so neither the image nor the previous word tells how to end, only the memory of the first
word. As in Linzen et al. 2016, "Assessing the ability of LSTMs to learn syntax-sensitive dependencies", section 2, with
a distance that is chosen.
"""

from __future__ import annotations

from lstmzoo.synthetic.sentences import NUMBERS, noun
from lstmzoo.synthetic.shapes import Drawing, Shapes

SPEAKERS = ("she", "he", "we", "they")
"""Who speaks; the sentence ends with the same word."""

AROUND = 9
"""Words of such a sentence besides the numbers."""


def spoken(shapes: Shapes, speaker: str, distance: int) -> str:
    """Let someone speak of what is in an image.

    Args:
        shapes: one of the two kinds.
        speaker: one of `SPEAKERS`.
        distance: numbers that are counted before the end.

    Returns:
        The sentence.
    """
    numbers = " ".join(map(str, range(1, distance + 1)))
    seen = f"{NUMBERS[shapes.number]} {shapes.colour} {noun(shapes)}"
    return f"{speaker.capitalize()} saw {seen} and counted {numbers}, did {speaker}."


def true_spoken(drawing: Drawing, distance: int) -> list[str]:
    """Return all such sentences that are true of a drawing."""
    return [spoken(shapes, speaker, distance) for shapes in (drawing.first, drawing.second) for speaker in SPEAKERS]
