"""Sentences whose last word agrees with their first, with words between that know neither.

"She said that a red circle is above two blue stars, and counted 1 2 3 4 5, did she." Who speaks is drawn apart from the
image, and every number follows from the one before: so neither the image nor the previous word tells how to end, only
the memory of the first word. As in Linzen et al. 2016, "Assessing the ability of LSTMs to learn syntax-sensitive
dependencies", section 2, with a distance that is chosen.
"""

from __future__ import annotations

SPEAKERS = ("she", "he", "we", "they")
"""Who speaks; the sentence ends with the same word."""

LONGEST = 21
"""Words of the longest sentence, the numbers not counted: 14 of a description, and 7 around it."""


def spoken(description: str, speaker: str, distance: int) -> str:
    """Let someone say a description.

    Args:
        description: a sentence with a capital and a full stop.
        speaker: one of `SPEAKERS`.
        distance: numbers that are counted between the description and the end.

    Returns:
        The sentence.
    """
    numbers = " ".join(map(str, range(1, distance + 1)))
    said = description[0].lower() + description[1:].rstrip(".")
    return f"{speaker.capitalize()} said that {said}, and counted {numbers}, did {speaker}."
