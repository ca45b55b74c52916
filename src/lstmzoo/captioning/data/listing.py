"""The images of a split, and messages about those that are not there."""

import warnings
from collections.abc import Sized
from pathlib import Path

from lstmzoo.captioning.data.flickr import FLICKR8K_BAD_NAME, NO_IMAGE
from lstmzoo.captioning.data.hints import command_for
from lstmzoo.captioning.data.records import CaptionFiles, CaptionRecord, missing_images
from lstmzoo.errors import DataError, DataWarning
from lstmzoo.io.wording import listed


class EmptySplit(DataError):
    """There is no image in a split."""


def listed_records(files: CaptionFiles, split: str, root: Path) -> list[CaptionRecord]:
    """Return the images of a split, whether or not their files are there.

    Raises:
        DataError: the split's lists name images without captions.
        EmptySplit: there is no such image.
    """
    unmatched = files.unmatched_of(split)
    if unmatched:
        raise DataError(f"{unmatched[0]}{others(unmatched, root)}")
    records = files.of(split)
    if not records:
        there = sorted({record.split for record in files.records} - {""})
        why = ""
        if files.records and not there:
            why = "; without split lists (train.txt, val.txt, test.txt) there is only split 'all'"
        elif not files.records and files.issues.found:
            kind, places = next(iter(files.issues.found.items()))
            why = f"; {kind}: {places[0]}{others(places, root)}"
        raise EmptySplit(f"{files.source} has no image in split {split!r}; it has {listed(there)}{why}")
    return records


def warn_of_names(files: CaptionFiles) -> None:
    """Say which captions are left out because of the names of their images; one in Flickr8k is known to all."""
    places = [place for place in files.issues.found.get(NO_IMAGE, ()) if not place.endswith(FLICKR8K_BAD_NAME)]
    if places:
        text = f"{files.source}: {len(places)} captions are left out, whose images have names of no images: "
        warnings.warn(f"{text}{listed(places, 3)}", DataWarning, stacklevel=3)


def check_images(files: CaptionFiles, records: list[CaptionRecord], split: str, root: Path) -> None:
    """Refuse images that are not there."""
    missing = missing_images(records)
    if len(missing) == len(records):
        command = command_for(files, missing)
        raise DataError(
            f"none of the {len(records)} images of split {split!r} is in {missing[0].path.parent}; "
            f"name their folder with image_dir=...{f', or run `{command}`' if command else ''}"
        )
    if missing:
        record = missing[0]
        raise DataError(f"{record.place} names {record.path}, where there is no file{others(missing, root)}")


def others(entries: Sized, root: Path) -> str:
    """Say how many more there are, and how to see them all."""
    more = f" ({len(entries)} such entries)" if len(entries) > 1 else ""
    return f"{more}; `lstmzoo data check captions root={root}` lists everything that is wrong"
