"""What benchmarks are asked for: names, and sizes such as ``32x16x512x256``."""

from collections.abc import Sequence

from lstmzoo.errors import LstmzooError, unknown_choice

EXAMPLES = {2: "480x854", 4: "32x16x512x256", 7: "16x8x3x32x32x32x3"}
"""A size of so many numbers."""


def chosen(names: Sequence[str], known: Sequence[str], kind: str = "model") -> list[str]:
    """The names, all that are known where there are none; one that is not known is refused."""
    for name in names:
        if name not in known:
            raise LstmzooError(unknown_choice(kind, name, known))
    return list(names or known)


def parsed(size: str, form: str) -> list[int]:
    """The numbers of a size, as its form has them, e.g. ``height x width``."""
    numbers, wanted = size.split("x"), form.count(" x ") + 1
    if len(numbers) != wanted or not all(number.isdigit() and int(number) for number in numbers):
        raise LstmzooError(f"size {size!r}: it must be {form}, e.g. {EXAMPLES[wanted]}")
    return [int(number) for number in numbers]
