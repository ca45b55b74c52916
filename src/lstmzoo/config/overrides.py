"""Overrides from the command line, in Hydra's syntax."""

import re
from collections.abc import Sequence
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException

from lstmzoo.config.groups import store_registered
from lstmzoo.errors import LstmzooError
from lstmzoo.training.setting_groups import GROUPS

SEARCHPATH = "hydra.searchpath"
"""Further folders of configurations, as Hydra takes them."""


@cache
def literal_keys() -> frozenset[str]:
    """Keys whose values are paths or patterns: what is no Hydra syntax in them (spaces, =, parentheses) is meant."""
    store_registered()
    declared = (settings(registry.get(name)) for registry, settings in GROUPS.values() for name in registry.names())
    paths = {setting.name for settings in declared for setting in settings.values() if setting.is_path}
    return frozenset({*paths, "ckpt_path", "dir", "group_pattern", "output", "resume"})


def parse(overrides: Sequence[str], *, sweep: bool = False) -> list[Override]:
    """Parse overrides in Hydra's syntax; the values of `literal_keys` may hold any character.

    Args:
        overrides: the overrides.
        sweep: whether keys may have several values; in them, a comma is one like any other if not.
    """
    parser = OverridesParser.create()
    parsed = []
    for text in overrides:
        key, equals, value = text.partition("=")
        literal = [f"{key}={quoted(value)}"] if equals and key.rpartition(".")[2] in literal_keys() else []
        try:
            (found,) = parser.parse_overrides([text])
            if literal and found.is_sweep_override() and not sweep:
                (found,) = parser.parse_overrides(literal)
            parsed.append(found)
        except (OverrideParseException, ValueError) as error:  # ValueError: a number of thousands of digits
            if literal:
                parsed += parser.parse_overrides(literal)
                continue
            remedy = "write key=value, e.g. model.cell=gru; put values with special characters in quotes"
            raise LstmzooError(f"cannot read '{text if len(text) < 300 else text[:300] + '...'}': {remedy}") from error
    return parsed


def quoted(value: str) -> str:
    """Quote a value in Hydra's syntax; backslashes count only where they stand before a quote."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value) + "'"
