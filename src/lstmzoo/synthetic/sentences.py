"""Sentences about the drawings of `lstmzoo.synthetic.shapes`.

Whoever says them has to remember what was said: which of the two kinds of shapes is the subject, on which side of the
other it is, whether it was one or several (is or are, it or them, some words later), and whether the second kind has
been named, so that the sentence is over.
"""

from __future__ import annotations

from lstmzoo.synthetic.shapes import Drawing, Shapes

NUMBERS = {1: "a", 2: "two", 3: "three"}

RELATIONS = {True: ("left of", "right of"), False: ("above", "below")}
PLACES = {True: ("on the left", "on the right"), False: ("at the top", "at the bottom")}

WORDINGS = 5
"""Ways to say the same."""


def sentence(drawing: Drawing, wording: int, turned: bool) -> str:
    """Describe a drawing.

    Args:
        drawing: what is in it.
        wording: which of the `WORDINGS`, from 0.
        turned: speak of the second kind of shapes first.

    Returns:
        The sentence, e.g. ``There is a small red circle left of two large blue squares.``
    """
    shapes = (drawing.second, drawing.first) if turned else (drawing.first, drawing.second)
    subject, other = shapes
    order = (1, 0) if turned else (0, 1)
    relation, reverse = (RELATIONS[drawing.beside][side] for side in order)
    here, there = (PLACES[drawing.beside][side] for side in order)
    a, b = _phrase(subject), _phrase(other)
    said = (
        f"{a} {_be(subject)} {relation} {b}",
        f"there {_be(subject)} {a} {relation} {b}",
        f"{_phrase_behind(subject)}, {_be(subject)} {relation} {b}",
        f"{a} {'has' if subject.number == 1 else 'have'} {b} {reverse} {'it' if subject.number == 1 else 'them'}",
        f"{here} {_be(subject)} {a}, {there} {_be(other)} {b}",
    )[wording]
    return f"{said[0].upper()}{said[1:]}."


def true_sentences(drawing: Drawing) -> list[str]:
    """Return every true sentence about a drawing, each wording with either kind of shapes first."""
    return [sentence(drawing, wording, turned) for wording in range(WORDINGS) for turned in (False, True)]


def _phrase(shapes: Shapes) -> str:
    return f"{NUMBERS[shapes.number]} {shapes.size} {shapes.colour} {noun(shapes)}"


def _phrase_behind(shapes: Shapes) -> str:
    return f"{NUMBERS[shapes.number]} {noun(shapes)}, {shapes.size} and {shapes.colour}"


def noun(shapes: Shapes) -> str:
    """Name shapes, in the plural where there are several."""
    if shapes.number == 1:
        return shapes.shape
    return shapes.shape + ("es" if shapes.shape.endswith("s") else "s")


def _be(shapes: Shapes) -> str:
    return "is" if shapes.number == 1 else "are"
