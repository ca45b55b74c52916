"""Which videos show the same person or place: what file names say of it, or seem to say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from lstmzoo.errors import LstmzooError, unknown_choice

SCOPES = ("global", "class")

TELLING = (
    r"_(g\d+)_c\d+",  # UCF101: v_Biking_g01_c02.avi
    r"(?i)((?:person|subject|actor|user|scene|group|session)[-_ ]?\d+)",
    r"^(.{11})_\d{6}_\d{6}",  # Kinetics: the address of the whole video, and the seconds of the part
)
"""Patterns that are believed wherever they fit."""

LIKELY = (
    r"[-_ ](\d+)[-_ ]\d+[^-_ ]*$",  # Jump_11_2.avi: scene 11, take 2
    r"^([^-_ ]+)[-_ ]",  # anna_walk_01.avi
    r"^[^-_ ]+[-_ ]([^-_ ]+)[-_ ]",  # walk_anna_01.avi
    r"^([^.]+?)[-_ ]?\d+[^-_ ]*$",  # party at home 3.avi
)
"""Patterns that are believed where they put some videos together, and leave at least two groups in every class."""

ALONE = "(.+)"
"""The pattern that says that every video is a group of its own."""


def group_finder(pattern: str | None, scope: str) -> Callable[[Path, str], str]:
    """Make the function that finds a video's group.

    Args:
        pattern: a regular expression with one group, searched in the file name; None: every video is its own group.
        scope: global or class; see `lstmzoo.data.VideoFolder`.

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
        expression = re.compile(pattern)
    except re.error as error:
        raise LstmzooError(f"group_pattern {pattern!r} is not a regular expression: {error}") from error
    if expression.groups != 1:
        raise LstmzooError(
            f"group_pattern {pattern!r} must have one group (...), the part of the file name that tells the group; "
            f"it has {expression.groups}"
        )

    def group(path: Path, name: str) -> str:
        match = expression.search(path.name)
        if match is None or match[1] is None:
            raise LstmzooError(f"group_pattern {pattern!r} is not found in the file name {path.name!r} ({path})")
        return f"{name}/{match[1]}" if scope == "class" else str(match[1])

    return group


def guess_pattern(videos: Sequence[tuple[Path, str]]) -> str | None:
    """Guess from file names which part of them tells the person or place.

    Args:
        videos: each with its class.

    Returns:
        A pattern for `group_finder`, or None where no part of the names can be it.
    """
    return next((pattern for pattern in (*TELLING, *LIKELY) if _fits(pattern, videos)), None)


def _fits(pattern: str, videos: Sequence[tuple[Path, str]]) -> bool:
    matches = [re.search(pattern, path.name) for path, _ in videos]
    found = [match[1] for match in matches if match is not None]
    if len(found) < len(videos):
        return False
    groups_of_class = Counter(
        name for name, _ in {(name, group) for (_, name), group in zip(videos, found, strict=True)}
    )
    apart = min(groups_of_class.values(), default=0) > 1
    return apart and (pattern in TELLING or len(set(found)) < len(found))
