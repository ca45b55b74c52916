"""Which videos show the same person or place, as far as their file names say."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from lstmzoo.errors import LstmzooError, unknown_choice

Scope = Literal["global", "class"]

SCOPES: tuple[str, ...] = get_args(Scope)

TELLING = (
    r"_(g\d+)_c\d+",  # UCF101: v_Biking_g01_c02.avi
    r"(?i)((?:person|subject|actor|user|scene|group|session)[-_ ]?\d+)",
    r"^(.{11})_\d{6}_\d{6}",  # Kinetics: the address of the whole video, and the seconds of the part
)
"""Patterns that are trusted wherever they match."""

LIKELY = (
    r"[-_ ](\d+)[-_ ]\d+[^-_ ]*$",  # Jump_11_2.avi: scene 11, take 2
    r"^<class>(\d+)[-_ ]\d+[^-_ ]*$",  # Jump11_2.avi
    r"^<class>[-_ ]?\d*[-_ ]?([^\W\d_]+)",  # wave_anna1.avi, wave1_anna.avi
    r"^([^-_ ]+)[-_ ]",  # anna_walk_01.avi
    r"^[^-_ ]+[-_ ]([^-_ ]+)[-_ ]",  # walk_anna_01.avi
    r"^([^.]+?)[-_ ]?<class>",  # annawave1.avi
    r"^<class>[-_ ]?([^.]*?[^\W\d_][^.]*?)[-_ ]?\d+[^-_ ]*$",  # wave_room_b_1.avi
    r"^([^.]+?)[-_ ]?\d+[^-_ ]*$",  # party at home 3.avi
)
"""Patterns that are trusted if they put some videos together, and leave at least two groups in every class."""

CLASS = "<class>"
"""Stands in patterns for the name of the video's class; upper and lower case do not matter in it, nor what is between
its words."""

TOLERATED = 0.1
"""Share of the videos whose names need not fit a guessed pattern; each of them is a group of its own."""

ALONE = "(.+)"
"""The pattern that says that every video is a group of its own."""


def group_finder(pattern: str | None, scope: str, *, guessed: bool = False) -> Callable[[Path, str], str]:
    """Make the function that finds a video's group.

    Args:
        pattern: a regular expression with one group, searched in the file name, in which ``<class>`` stands for the
            name of the class; None: every video is its own group.
        scope: global or class; see `lstmzoo.data.VideoFolder`.
        guessed: a video whose name does not fit is a group of its own.

    Returns:
        A function of the video's path and its class.

    Raises:
        LstmzooError: no regular expression, or one without a single group; the function raises it where the pattern is
            not found in a name.
    """
    if scope not in SCOPES:
        raise LstmzooError(unknown_choice("group_scope", scope, SCOPES))
    if pattern is None:
        return lambda path, name: f"{path.parent.name}/{path.name}"
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise LstmzooError(f"group_pattern {pattern!r} is not a regular expression: {error}") from error
    if groups != 1:
        raise LstmzooError(
            f"group_pattern {pattern!r} must have one group (...), the part of the file name that identifies the "
            f"group; it has {groups}"
        )

    def group(path: Path, name: str) -> str:
        found = _search(pattern, path, name)
        if found is None and guessed:
            return f"{path.parent.name}/{path.name}"
        if found is None:
            raise LstmzooError(f"group_pattern {pattern!r} is not found in the file name {path.name!r} ({path})")
        return f"{name}/{found}" if scope == "class" else found

    return group


def unfitting(pattern: str, videos: Sequence[tuple[Path, str]]) -> list[Path]:
    """List the videos in whose names a pattern is not found."""
    return [path for path, name in videos if _search(pattern, path, name) is None]


def guess_pattern(videos: Sequence[tuple[Path, str]]) -> str | None:
    """Guess which part of the file names identifies the person or place.

    Returns:
        A pattern for `group_finder`, or None where no part of the names can be it.
    """
    return next((pattern for pattern in (*TELLING, *LIKELY) if _fits(pattern, videos)), None)


def _fits(pattern: str, videos: Sequence[tuple[Path, str]]) -> bool:
    if len(unfitting(pattern, videos)) > TOLERATED * len(videos):
        return False
    find = group_finder(pattern, "global", guessed=True)
    groups = [(name, find(path, name)) for path, name in videos]
    apart = min(Counter(name for name, _ in set(groups)).values(), default=0) > 1
    return apart and (pattern in TELLING or len({group for _, group in groups}) < len(groups))


def _search(pattern: str, path: Path, name: str) -> str | None:
    """Find the group in a file name."""
    words = [re.escape(word) for word in re.split(r"[-_ ]+", name)]
    match = re.search(pattern.replace(CLASS, f"(?i:{'[-_ ]?'.join(words)})"), path.name)
    return match[1] if match is not None else None
