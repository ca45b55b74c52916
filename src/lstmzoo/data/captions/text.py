"""Captions as text: cleaned, and taken apart into words."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import Any

_LINE_ENDS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CLITIC = re.compile(r"(?<=\w)(n't|'(?:s|re|ve|ll|d|m))\b")
_WORD = re.compile(r"'(?:s|re|ve|ll|d|m)\b|[^\W_]+(?:[-'.][^\W_]+)*")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc", "'''")


class Oddities:
    """What was found in the files of a data set that is not as it should be, but could be put right.

    Attributes:
        found: for each kind, the places, e.g. ``{"empty caption, left out": ["captions.txt, line 7"]}``.
    """

    def __init__(self) -> None:
        self.found: defaultdict[str, list[str]] = defaultdict(list)

    def note(self, kind: str, place: str) -> None:
        """Remember an oddity and where it is."""
        self.found[kind].append(place)


def clean(raw: Any, place: str, oddities: Oddities) -> str:
    """Put a caption on one line with single blanks.

    Line ends of any kind (U+2028 and U+2029 among them, which would shift all later lines of an official evaluation)
    and other white space become one blank; characters that cannot be seen (control, format, unassigned) are removed.

    Args:
        raw: the caption as it stands in the file.
        place: where it stands, for the record.
        oddities: where to note what had to be changed.

    Returns:
        The caption; empty where nothing is left of it, which is noted as well.
    """
    if not isinstance(raw, str):
        oddities.note("caption that is not text, left out", place)
        return ""
    text = raw.strip()
    if not text.isprintable():  # something other than visible characters and blanks is in it
        text = _visible(text, place, oddities)
    if "\ufffd" in text:
        oddities.note("characters lost in an earlier conversion (U+FFFD)", place)
    result = " ".join(text.split())
    if not any(map(str.isalnum, result)):
        oddities.note("caption without words, left out", place)
        return ""
    return result


def _visible(text: str, place: str, oddities: Oddities) -> str:
    """Turn white space into blanks, and remove what cannot be seen."""
    if _LINE_ENDS.search(text):
        oddities.note("caption of several lines, joined", place)
    elif any(character.isspace() and character not in " \t" for character in text):
        oddities.note("odd white space, made a blank", place)
    words = " ".join(text.split())
    visible = "".join(character for character in words if unicodedata.category(character) not in _INVISIBLE)
    if visible != words:
        oddities.note("invisible characters, removed", place)
    return visible


def tokenize(caption: str) -> tuple[str, ...]:
    """Take a caption apart into the words that a model learns.

    Lower case, punctuation off. Words joined by a hyphen, apostrophe or point stay one (``t-shirt``, ``o'clock``);
    ``'s``, ``n't`` and the like are words of their own, as in the official evaluation.

    Args:
        caption: the caption.

    Returns:
        Its words, e.g. ``("the", "dog", "'s", "t-shirt")`` for ``The dog's T-shirt!``
    """
    text = _CLITIC.sub(r" \1", caption.lower().translate(_APOSTROPHES))
    return tuple(_WORD.findall(text))
