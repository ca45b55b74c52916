"""``key=value`` words: the options of every command but ``train``."""

from collections.abc import Mapping, Sequence
from typing import Any

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.settings import MISSING, Setting, flattened, read


def parse_options(words: Sequence[str], settings: Mapping[str, Setting], command: str) -> dict[str, Any]:
    """Take ``key=value`` words apart.

    Returns:
        The values of the options that were given, by name.

    Raises:
        LstmzooError: a word that is not ``key=value``, an unknown key, one given twice, or a value of the wrong type;
            an option without a default that is not given.
    """
    options: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise LstmzooError(f"{command}: {word!r} is not of the form option=value; options: {', '.join(settings)}")
        if key not in settings:
            raise LstmzooError(f"{command}: {unknown_choice('option', key, settings)}")
        if key in options:
            raise LstmzooError(f"{command}: {key} is given twice")
        try:
            if not text:
                raise ValueError("it is empty")
            options[key] = read(settings[key].type, text)
        except ValueError as error:
            raise LstmzooError(f"{command}: {key}={text} cannot be used: {error}") from error
    missing = [key for key, setting in settings.items() if setting.default is MISSING and key not in options]
    if missing:
        example = " ".join([command, *words, *(f"{key}=PATH" for key in missing)])
        raise LstmzooError(f"{', '.join(missing)} must be given, e.g. {example}")
    return options


def described_options(settings: Mapping[str, Setting], indent: int = 2) -> str:
    """List options with their defaults and what they mean, a line each and more where one is too long."""
    lines = []
    for setting in flattened(settings.values()):
        shown = setting.name if setting.default is MISSING else f"{setting.name}={written(setting.default)}"
        lines += _filled(shown, setting.help, indent)
    return "\n".join(lines)


def written(value: Any) -> str:
    """A value as it is written on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(written, value))}]"
    return str(value)


def _filled(head: str, text: str, indent: int, width: int = 116, column: int = 28) -> list[str]:
    import textwrap

    lines = textwrap.wrap(text, width - column - indent) or [""]
    first = f"{' ' * indent}{head:<{column - 1}} {lines[0]}".rstrip()
    if len(head) >= column:
        return [" " * indent + head, *(" " * (indent + column) + line for line in lines if line)]
    return [first, *(" " * (indent + column) + line for line in lines[1:])]
