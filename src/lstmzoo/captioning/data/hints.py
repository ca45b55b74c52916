"""How to repair a data set that is there but not complete, or on which no captioner can be trained."""

from collections import Counter
from collections.abc import Sequence

from lstmzoo.captioning.data.layouts import SIMULATED_MARKER, is_simulated
from lstmzoo.captioning.data.prepare import ARCHIVES
from lstmzoo.captioning.data.records import CaptionFiles, CaptionRecord, entry, read_json
from lstmzoo.captioning.data.text import segmentation_wanted, unsegmented

USUAL_MIN_COUNT = 5
"""How often a word must occur in training to be known, as `data.min_count` has it by default."""

_HOW_TO_SPLIT = {"karpathy": 'give images "split": "train"', "coco": "add a file captions_train.json"}


def how_to_complete(files: CaptionFiles, unusable: Sequence[CaptionRecord], short: bool) -> str:
    """Say how to complete a data set, without a full stop at the end; empty where nothing is wrong.

    `unusable` images are not there or cannot be decoded; a `short` set is a part of a published one.
    """
    if not files.records:
        return f"{files.source} has no image with captions; repair it, or name another file with data.root=FILE"
    steps = []
    command = command_for(files, unusable) if unusable else ""
    if command:
        steps.append(f"Delete what is damaged, then run `{command}`")
    if files.unmatched or (unusable and not command):
        steps.append(
            "Replace what is damaged or missing (image_dir=FOLDER names another folder of the images), "
            "or take it out of captions and lists"
        )
    if short:
        step = "Fetch captions and lists again"
        if files.dataset in ARCHIVES and files.layout != "coco":  # COCO comes as Karpathy's
            command = f"lstmzoo data prepare captions dataset={files.dataset} root=ANOTHER_FOLDER"
            step += f": `{command}` brings the whole set"
        steps.append(step)
    return ". ".join(steps)


def command_for(files: CaptionFiles, unusable: Sequence[CaptionRecord]) -> str:
    """Return the command that brings images back to where they are looked for.

    Empty where there is none, as for your own images: a download would only unpack another set beside them.
    """
    folder = files.source.parent
    if is_simulated(folder):
        seed = entry(read_json(folder / SIMULATED_MARKER), "seed", str(folder / SIMULATED_MARKER))
        return f"lstmzoo data simulate captions root={folder} images={len(files.records)} seed={seed}"
    brought = {folder / archive.holds for archive in ARCHIVES.get(files.dataset, ())}
    if files.source in brought and all(record.path.parent in {folder, *brought} for record in unusable):
        return f"lstmzoo data prepare captions dataset={files.dataset} root={folder}"
    return ""


def why_untrainable(files: CaptionFiles, words: Counter[str]) -> list[str]:
    """Find what keeps a captioner from being trained on a data set.

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
