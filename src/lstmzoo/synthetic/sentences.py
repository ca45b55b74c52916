"""Sentences about the pictures of `lstmzoo.synthetic.things`.

Whoever says them has to remember what was said: which of the two kinds of things is being spoken of, on which side of
the other it is, whether it was one or several (is or are, it or them, some words later), and when the second kind has
been named, so that the sentence is over.
"""

from __future__ import annotations

from lstmzoo.synthetic.things import Picture, Things

NUMBERS = {1: "a", 2: "two", 3: "three"}

RELATIONS = {True: ("left of", "right of"), False: ("above", "below")}
PLACES = {True: ("on the left", "on the right"), False: ("at the top", "at the bottom")}

WORDINGS = 5
"""Ways to say the same."""


def sentence(picture: Picture, wording: int, turned: bool) -> str:
    """Describe a picture.

    Args:
        picture: what is in it.
        wording: which of the `WORDINGS`, from 0.
        turned: speak of the second kind of things first.

    Returns:
        The sentence, e.g. ``There is a small red circle left of two large blue squares.``
    """
    things = (picture.second, picture.first) if turned else (picture.first, picture.second)
    subject, other = things
    order = (1, 0) if turned else (0, 1)
    relation, reverse = (RELATIONS[picture.beside][side] for side in order)
    here, there = (PLACES[picture.beside][side] for side in order)
    a, b = _phrase(subject), _phrase(other)
    said = (
        f"{a} {_be(subject)} {relation} {b}",
        f"there {_be(subject)} {a} {relation} {b}",
        f"{_phrase_behind(subject)}, {_be(subject)} {relation} {b}",
        f"{a} {'has' if subject.number == 1 else 'have'} {b} {reverse} {'it' if subject.number == 1 else 'them'}",
        f"{here} {_be(subject)} {a}, {there} {_be(other)} {b}",
    )[wording]
    return f"{said[0].upper()}{said[1:]}."


def true_sentences(picture: Picture) -> list[str]:
    """Return all that may be said of a picture, each wording of both kinds of things."""
    return [sentence(picture, wording, turned) for wording in range(WORDINGS) for turned in (False, True)]


def _phrase(things: Things) -> str:
    return f"{NUMBERS[things.number]} {things.size} {things.colour} {_noun(things)}"


def _phrase_behind(things: Things) -> str:
    return f"{NUMBERS[things.number]} {_noun(things)}, {things.size} and {things.colour}"


def _noun(things: Things) -> str:
    if things.number == 1:
        return things.shape
    return things.shape + ("es" if things.shape.endswith("s") else "s")


def _be(things: Things) -> str:
    return "is" if things.number == 1 else "are"
