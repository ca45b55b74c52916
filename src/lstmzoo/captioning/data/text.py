"""Captions as text: cleaned, and taken apart into words."""

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

_LINE_ENDS = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CLITIC = re.compile(r"(?<=\w)(n't|'(?:s|re|ve|ll|d|m))\b")
_MARK = "\u0301"
_LETTERS = rf"(?:[^\W_]{_MARK}*)+"
_WORD = re.compile(rf"'(?:s|re|ve|ll|d|m)\b|{_LETTERS}(?:[-'.]{_LETTERS})*")
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_TAG = re.compile(
    r"</?(?:a|b|br|em|font|h[1-6]|i|img|li|ol|p|small|span|strong|sub|sup|u|ul)(?: [a-z-]+=[^<>]*)? ?/?>", re.I
)
_APOSTROPHES = str.maketrans("\u2018\u2019\u02bc", "'''")

_UNSPACED = (
    ("Chinese or Japanese", re.compile(r"[\u3040-\u30ff\u3400-\u9fff]"), 4.0),
    ("Thai, Lao, Burmese or Khmer", re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]"), 8.0),
)
"""What is written without blanks between words, its letters, and more of them than a word has in the mean."""


class Issues:
    """What was found in the files of a data set that is not as it should be, but could be put right."""

    def __init__(self) -> None:
        # For each kind the places, e.g. {"empty caption, left out": ["captions.txt, line 7"]}.
        self.found: defaultdict[str, list[str]] = defaultdict(list)

    def note(self, kind: str, place: str) -> None:
        """Remember an oddity and where it is."""
        self.found[kind].append(place)


def clean(raw: Any, place: str, issues: Issues) -> str:
    """Put a caption on one line with single blanks, in letters of the usual form; see `plain`.

    Returns:
        The caption; empty where nothing is left of it, which is noted as well.
    """
    if not isinstance(raw, str):
        issues.note("caption that is not text, left out", place)
        return ""
    text = _without_markup(raw)
    if text != raw:
        issues.note("HTML entities or tags, made the characters that they stand for", place)
    text = text.strip()
    if _is_odd(text):
        _note_issues(text, place, issues)
    result = plain(text)
    if not any(map(str.isalnum, result)):
        issues.note("caption without words, left out", place)
        return ""
    return result


def plain(text: str) -> str:
    """Normalise a text.

    Entities of HTML become the characters that they stand for (``&amp;``, ``&#39;``), its tags go. Line ends of any
    kind (U+2028 and U+2029 among them, which would shift all later lines of an official evaluation) and other white
    space become one blank; characters that cannot be seen (control, format, unassigned) are removed; letters and the
    marks over them are joined, and full-width letters, ligatures and the like become ordinary ones (Unicode's NFC, and
    NFKC of letters, digits and punctuation; signs such as ½ stay what they are).
    """
    text = " ".join(_without_markup(text).split())
    if not _is_odd(text):
        return text
    return unicodedata.normalize("NFC", "".join(map(_usual, _visible(text))))


def _without_markup(text: str) -> str:
    while _ENTITY.search(text):  # &amp;quot; is found, too, where a text was escaped twice
        unescaped = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
        if unescaped == text:
            break
        text = unescaped
    return _TAG.sub(" ", text) if "<" in text else text


def _is_odd(text: str) -> bool:
    """Whether anything but the visible characters of ASCII and blanks is in it."""
    return not (text.isascii() and text.isprintable())


def _visible(text: str) -> str:
    return "".join(character for character in text if unicodedata.category(character) not in _INVISIBLE)


def _usual(character: str) -> str:
    """A letter, digit or punctuation mark in its usual form; anything else as it is."""
    kind = unicodedata.category(character)
    return unicodedata.normalize("NFKC", character) if kind[0] in "LP" or kind == "Nd" else character


def _note_issues(text: str, place: str, issues: Issues) -> None:
    """Note what `plain` has to put right."""
    if _LINE_ENDS.search(text):
        issues.note("caption of several lines, joined", place)
    elif any(character.isspace() and character not in " \t" for character in text):
        issues.note("odd white space, made a blank", place)
    words = " ".join(text.split())
    visible = _visible(words)
    if visible != words:
        issues.note("invisible characters, removed", place)
    if plain(visible) != visible:
        issues.note("letters in an unusual form (marks by themselves, full width), made usual ones", place)
    if "\ufffd" in text:
        issues.note("characters lost in an earlier conversion (U+FFFD)", place)


def tokenize(caption: str) -> tuple[str, ...]:
    """Take a caption apart into the words that a model learns.

    Lower case, punctuation off. Words joined by a hyphen, apostrophe or point stay one (``t-shirt``, ``o'clock``);
    ``'s``, ``n't`` and the like are words of their own, as in the official evaluation.

    Returns:
        Its words, e.g. ``("the", "dog", "'s", "t-shirt")`` for ``The dog's T-shirt!``
    """
    text = _CLITIC.sub(r" \1", plain(caption).lower().translate(_APOSTROPHES))
    if text.isascii():
        return tuple(_WORD.findall(text))
    # Marks that no letter could be joined with belong to words, too; to the pattern they all look alike.
    shape = "".join(_MARK if unicodedata.category(character)[0] == "M" else character for character in text)
    return tuple(text[found.start() : found.end()] for found in _WORD.finditer(shape))


def unsegmented(sentences: Iterable[Sequence[str]]) -> str:
    """Tell whether captions are of a script without blanks between words, and none were put there.

    Returns:
        What the captions are; empty where their words are parted.
    """
    said = [words for words in sentences if not all(map(str.isascii, words))]
    for name, letters, longest in _UNSPACED:
        counts = [[len(letters.findall(word)) for word in words] for words in said]
        found = [number for numbers in counts for number in numbers if number]
        whole = sum(len(numbers) == 1 and numbers[0] > 1 for numbers in counts)  # said in one word, as no caption is
        if found and (sum(found) > longest * len(found) or whole > sum(map(any, counts)) / 2):
            return name
    return ""


def segmentation_wanted(script: str) -> str:
    """Word what is wrong with captions that are `unsegmented`, and the remedy."""
    return f"the captions ({script}) have no blanks between words, so that each is one long word; segment them first"
