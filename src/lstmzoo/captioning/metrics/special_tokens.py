"""Special tokens of a captioner that were left in its captions, which counts them as wrong words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_NAMES = "unk|unknown|oov|pad|bos|eos|sos|eoc|s|/s|start|end|begin|startseq|endseq|sep|cls|mask|oos|null|blank"
_TOKEN = re.compile(
    rf"<(?:{_NAMES})>|\[(?:unk|pad|cls|sep|mask|bos|eos)\]|<\|\w+\|>|\b(?:startseq|endseq)\b", re.IGNORECASE
)


def remark_on_special_tokens(captions: Iterable[str]) -> str:
    """Name the special tokens that stand in captions, and the remedy, in a sentence; empty where there are none."""
    found = [_TOKEN.findall(caption) for caption in captions]
    number = sum(map(bool, found))
    if not number:
        return ""
    names = ", ".join(name for name, _ in Counter(name for one in found for name in one).most_common(5))
    return (
        f"Warning: {number} of {len(found)} captions hold {names}, which look like special tokens of a captioner and "
        "are scored as words; remove them and score again."
    )
