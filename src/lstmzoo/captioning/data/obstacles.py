"""What keeps a captioner from being trained on a set whose files are all there."""

from __future__ import annotations

from collections import Counter

from lstmzoo.captioning.data.records import CaptionFiles
from lstmzoo.captioning.data.text import segmentation_wanted, unsegmented

USUAL_MIN_COUNT = 5
"""How often a word must occur in training to be known, as `data.min_count` has it by default."""

_HOW_TO_SPLIT = {
    "karpathy": 'give images "split": "train"',
    "coco": "add a file captions_train.json",
}


def obstacles(files: CaptionFiles, words: Counter[str]) -> list[str]:
    """Find what keeps a captioner from being trained on a data set.

    Args:
        files: what its files say.
        words: how often each word occurs in training.

    Returns:
        What is wrong, each with its remedy and without a full stop; empty where nothing is.
    """
    if not files.records:
        return []
    found = []
    trained = files.of("train")
    if not trained:
        lists = "put the names of images into train.txt, val.txt and test.txt beside the captions, one a line"
        found.append(f"no image is in split train; {_HOW_TO_SPLIT.get(files.layout, lists)}")
    script = unsegmented(said for record in trained or files.records for said in record.tokens)
    if script:
        found.append(segmentation_wanted(script))
    elif trained and not any(count >= USUAL_MIN_COUNT for count in words.values()):
        found.append(
            f"no word occurs {USUAL_MIN_COUNT} times in training; train with data.min_count=1, or on more captions"
        )
    return [text[0].upper() + text[1:] for text in found]
