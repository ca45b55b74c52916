"""What to do about a data set that is there, but not whole."""

from __future__ import annotations

from collections.abc import Sequence

from lstmzoo.captioning.data.layouts import SIMULATED_MARKER, is_simulated
from lstmzoo.captioning.data.prepare import ARCHIVES
from lstmzoo.captioning.data.records import CaptionFiles, CaptionRecord, entry, read_json


def remedy(files: CaptionFiles, unusable: Sequence[CaptionRecord], short: bool) -> str:
    """Say how to make a data set whole.

    Args:
        files: what its files say.
        unusable: images that are not there or cannot be decoded.
        short: it is a part of a published set.

    Returns:
        The advice, without a full stop at its end; empty where nothing is wrong.
    """
    if not files.records:
        return f"{files.source} has no image with captions; mend it, or name another file with root=FILE"
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

    Args:
        files: what the data set's files say.
        unusable: images that are not there or cannot be decoded.

    Returns:
        The command; empty where there is none, as for one's own images: a download would only unpack a strange set
        beside them.
    """
    folder = files.source.parent
    if is_simulated(folder):
        seed = entry(read_json(folder / SIMULATED_MARKER), "seed", str(folder / SIMULATED_MARKER))
        return f"lstmzoo data simulate captions root={folder} pictures={len(files.records)} seed={seed}"
    brought = {folder / archive.holds for archive in ARCHIVES.get(files.dataset, ())}
    if files.source in brought and all(record.path.parent in {folder, *brought} for record in unusable):
        return f"lstmzoo data prepare captions dataset={files.dataset} root={folder}"
    return ""
