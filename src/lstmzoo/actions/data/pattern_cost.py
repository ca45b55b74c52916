"""How long the search for a regular expression can take at worst, for patterns that come from someone else's file."""

import math
import re
import sys
from typing import Any

if sys.version_info >= (3, 11):
    from re import _parser as parser  # type: ignore[attr-defined]
else:
    import sre_parse as parser

LONGEST_NAME = 255
"""Bytes of a file name."""

LONGEST_PATTERN = 200

MOST_WAYS = (LONGEST_NAME + 1) ** 3
"""Three free choices among the characters of a name: the start, and two repetitions; or three after ``^``."""


def is_quick(pattern: str) -> bool:
    """Whether a pattern is found in a file name, or not, in a moment; an invalid pattern counts as quick.

    A search that fails tries all ways in which the repetitions and alternatives can share a name, from each start; they
    are counted.
    """
    if len(pattern) > LONGEST_PATTERN:
        return False
    try:
        parsed = parser.parse(pattern)
        starts = 1 if parsed[:1] and str(parsed[0][1]) == "AT_BEGINNING" else LONGEST_NAME
        return starts * _ways(parsed) <= MOST_WAYS
    except re.error:
        return True  # whoever uses it says so
    except (RecursionError, OverflowError):
        return False


def _ways(items: Any) -> float:
    return math.prod(_ways_of(str(operation), argument) for operation, argument in items)


def _ways_of(operation: str, argument: Any) -> float:
    if operation in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "GROUPREF"):
        return 1
    if operation == "SUBPATTERN":
        return _ways(argument[-1])
    if operation == "ATOMIC_GROUP":
        return _ways(argument)
    if operation in ("ASSERT", "ASSERT_NOT"):
        return _ways(argument[1])
    if operation == "BRANCH":
        return sum(_ways(one) for one in argument[1])
    if operation in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, repeated = argument[0], min(int(argument[1]), LONGEST_NAME), argument[2]
        once = _ways(repeated)
        return max(most - least + 1, 1) * float(once) ** most
    return math.inf
