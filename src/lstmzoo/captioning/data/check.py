"""Whether a copy of a captioning data set is complete: what was found against what was published."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lstmzoo.captioning.data.hints import USUAL_MIN_COUNT, how_to_complete, why_untrainable
from lstmzoo.captioning.data.layouts import is_simulated, read_captions
from lstmzoo.captioning.data.records import CaptionFiles, CaptionRecord, missing_images
from lstmzoo.captioning.data.square_images import fault_of
from lstmzoo.captioning.metrics import java
from lstmzoo.errors import DataError
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.report import Report, Table
from lstmzoo.io.wording import listed

KARPATHY = {
    "coco": {"train": (82_783, 414_113), "restval": (30_504, 152_634), "val": (5_000, 25_010), "test": (5_000, 25_010)},
    "flickr8k": {"train": (6_000, 30_000), "val": (1_000, 5_000), "test": (1_000, 5_000)},
    "flickr30k": {"train": (29_000, 145_000), "val": (1_014, 5_070), "test": (1_000, 5_000)},
}
"""Images and captions of Karpathy's splits; those of Flickr8k are the official ones."""

COCO = {
    "2014": {"train": (82_783, 414_113), "val": (40_504, 202_654)},
    "2017": {"train": (118_287, 591_753), "val": (5_000, 25_014)},
}
"""COCO's own splits, by the year in the names of its files; a set with other names, also of images, is your own."""

FLICKR30K_ALL = {"": (31_783, 158_915)}
"""The token file of Flickr30k, which comes without splits."""

NO_SPLIT = "in no split"


@dataclass(frozen=True)
class CaptionCount:
    """Numbers of one split."""

    images: int  # images that are there and can be decoded
    images_listed: int  # images that have captions
    images_published: int | None  # images of the set as it was published; None where that is not known
    captions: int  # captions that can be used
    captions_published: int | None  # captions of the set as it was published; None where that is not known

    def remarks(self, split: str) -> Iterator[str]:
        """Say whether the split is the published one."""
        if self.images_published is None:
            return
        if not self.images_listed:
            yield f"Split {split} is not here ({self.images_published} images were published)."
        elif (self.images_listed, self.captions) != (self.images_published, self.captions_published):
            yield (
                f"Split {split} is not the published one: {self.images_listed} images and {self.captions} captions "
                f"instead of {self.images_published} images and {self.captions_published} captions."
            )


@dataclass(frozen=True)
class CaptionsReport(Report):
    """What `check` found."""

    root: str
    layout: str
    dataset: str  # coco, flickr8k, flickr30k or simulated; empty where the files do not say
    source: str  # the file with the captions
    simulated: bool  # the folder was made by `lstmzoo data simulate captions`
    splits: dict[str, CaptionCount]  # numbers of the splits
    captions_per_image: tuple[int, int]  # fewest and most captions of an image
    words: int  # different words in the captions that are trained on
    frequent_words: int  # those that occur five times or more, which a vocabulary usually keeps
    missing: list[str]  # images that have captions but were not found, each with the place where it is named
    unmatched: list[str]  # entries of split lists that name an image without captions
    # images that cannot be decoded, each with the place where it is named, and what is wrong with it
    undecodable: list[str]
    short: list[str]  # splits with fewer images than were published; those that are not here at all are not among them
    issues: dict[str, list[str]]  # what had to be corrected in the captions, by kind, with the places
    how_to_complete: str  # what to do if the set is not whole; empty otherwise
    why_untrainable: list[str]  # what keeps a captioner from being trained on it, whole or not, each with its remedy

    @property
    def whole(self) -> bool:
        """Whether images are listed, all are there, can be decoded and have captions, and splits are as published."""
        listed = any(count.images_listed for count in self.splits.values())
        return listed and not (self.missing or self.unmatched or self.undecodable or self.short)

    @property
    def complete(self) -> bool:
        """Whether it is whole, and a captioner can be trained on it."""
        return self.whole and not self.why_untrainable

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "complete": self.whole, "trainable": self.complete}

    def table(self) -> Table:
        heads = [
            "split",
            "images\nfound",
            "images\nlisted",
            "images\npublished",
            "captions\nfound",
            "captions\npublished",
        ]
        rows = [
            (split, *(getattr(count, field.name) for field in fields(CaptionCount)))
            for split, count in self.splits.items()
        ]
        return Table(f"Captions of {self.dataset or self.source}", heads, rows)

    def remarks(self) -> Iterator[str]:
        fewest, most = self.captions_per_image
        each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        yield f"Read from {self.source}, layout {self.layout}."
        yield (
            f"{each} {'caption' if most == 1 else 'captions'} per image; {self.words} different words in training, "
            f"{self.frequent_words} of them {USUAL_MIN_COUNT} times or more."
        )
        if self.simulated:
            yield "This is a simulated set."
        for split, count in self.splits.items():
            yield from count.remarks(split)
        yield from (f"{kind}: {len(places)}: {listed(places, 3)}" for kind, places in self.issues.items())
        for what, places in (
            ("Images that are not there", self.missing),
            ("Listed, but without captions", self.unmatched),
            ("Images that cannot be decoded", self.undecodable),
        ):
            if places:
                yield f"{what}: {len(places)}: {listed(places)}"
        if not java.has_java():
            yield f"There is no Java here: `lstmzoo eval` omits METEOR and uses its own tokeniser; {java.INSTALL}."
        yield self._verdict()

    def _verdict(self) -> str:
        if not self.whole:
            return f"Not complete. {'. '.join([self.how_to_complete, *self.why_untrainable])}."
        if self.why_untrainable:
            return (
                f"Everything listed is there, but no captioner can be trained on it. {'. '.join(self.why_untrainable)}."
            )
        absent = [split for split, count in self.splits.items() if not count.images_listed]
        return f"Everything listed is there; absent: {', '.join(absent)}." if absent else "Complete."


def check(
    root: str | Path, layout: str = "auto", *, image_dir: Path | None = None, split_dir: Path | None = None
) -> CaptionsReport:
    """Count images and captions against the published numbers, decoding every image once; name what is odd or missing.

    Args:
        root: folder of the data set, or the file with its captions.
        layout: auto, karpathy, coco, flickr8k, flickr30k or csv.
        image_dir: folder of the images; null: found beside the captions.
        split_dir: folder of the split lists; null: beside the captions.

    Raises:
        DataError: no captions there, or a file that cannot be read.
    """
    root = Path(root)
    files = read_captions(root, layout, image_dir=image_dir, split_dir=split_dir)
    missing = missing_images(files.records)
    absent = {record.path for record in missing}
    found = [record for record in files.records if record.path not in absent]
    undecodable = _decode_all(found)
    unusable = [*missing, *(record for record, _ in undecodable)]
    counts = [len(record.captions) for record in files.records]
    words = Counter(word for record in files.of("train") for said in record.tokens for word in said)
    splits = _split_counts(files, {record.path for record in unusable})
    short = [split for split, count in splits.items() if 0 < count.images_listed < (count.images_published or 0)]
    return CaptionsReport(
        root=str(root),
        layout=files.layout,
        dataset=files.dataset,
        source=str(files.source),
        simulated=is_simulated(root),
        splits=splits,
        captions_per_image=(min(counts, default=0), max(counts, default=0)),
        words=len(words),
        frequent_words=sum(count >= USUAL_MIN_COUNT for count in words.values()),
        missing=[f"{record.place}: {record.path}" for record in missing],
        unmatched=[text for texts in files.unmatched.values() for text in texts],
        undecodable=[f"{record.place}: {error}" for record, error in undecodable],
        short=short,
        issues=dict(files.issues.found),
        how_to_complete=how_to_complete(files, unusable, bool(short)),
        why_untrainable=why_untrainable(files, words),
    )


def _decode_all(records: list[CaptionRecord]) -> list[tuple[CaptionRecord, DataError]]:
    """Return the images that cannot be decoded, and what is wrong with each."""
    undecodable = []
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress_bar("Decoding images", len(records), "images") as advance,
    ):
        for record, error in zip(records, pool.map(fault_of, (record.path for record in records)), strict=True):
            if error is not None:
                undecodable.append((record, error))
            advance(1)
    return undecodable


def _split_counts(files: CaptionFiles, unusable: set[Path]) -> dict[str, CaptionCount]:
    published = _published(files)
    present = dict.fromkeys([*published, *(record.split for record in files.records)])
    counts = {}
    for split in sorted(present, key=["train", "restval", "val", "test", ""].index):
        records = [record for record in files.records if record.split == split]
        images, captions = published.get(split, (None, None))
        counts[split or NO_SPLIT] = CaptionCount(
            images=sum(record.path not in unusable for record in records),
            images_listed=len(records),
            images_published=images,
            captions=sum(len(record.captions) for record in records),
            captions_published=captions,
        )
    return counts


def _published(files: CaptionFiles) -> dict[str, tuple[int, int]]:
    """Images and captions of each split as published; nothing where the set is not a published one."""
    if files.layout == "coco" and files.dataset == "coco":
        places = [record.place for record in files.records]
        return next((counts for year, counts in COCO.items() if any(f"{year}.json" in one for one in places)), {})
    if files.layout == "flickr30k":
        return KARPATHY["flickr30k"] if any(record.split for record in files.records) else FLICKR30K_ALL
    if files.layout in ("karpathy", "flickr8k"):
        return KARPATHY.get(files.dataset, {})
    return {}
