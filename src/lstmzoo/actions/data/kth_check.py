"""Whether a copy of KTH is complete: what was found against what was published."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmzoo.actions.data.kth_files import ACTIONS, SIMULATED_MARKER, find_videos, parse_name, read_sequences
from lstmzoo.actions.data.kth_protocols import split_persons
from lstmzoo.actions.data.segments import Range, clamp_ranges
from lstmzoo.io import video
from lstmzoo.io.report import Report, Table
from lstmzoo.io.wording import counted, listed

PUBLISHED_SEQUENCES = {"train": 760, "val": 768, "test": 863}
"""Sequences of the official splits."""

PUBLISHED_VIDEOS = {"train": 191, "val": 192, "test": 216}
"""Videos of the official splits: 25 persons x 6 actions x 4 scenarios, less person13_handclapping_d3."""

PUBLISHED_SHORT = "person01_boxing_d4"
"""The one video that was published with fewer frames than its last range needs."""


@dataclass(frozen=True)
class KTHCount:
    """Numbers of one official split."""

    videos: int  # videos found that decode
    videos_listed: int  # videos to which 00sequences.txt gives ranges
    videos_published: int  # videos of the real data set
    sequences: int  # sequences that can be used
    sequences_listed: int  # sequences in 00sequences.txt
    sequences_published: int  # sequences of the real data set


@dataclass(frozen=True)
class KTHReport(Report):
    """What `check` found."""

    root: str
    simulated: bool  # the folder was made by `lstmzoo data simulate kth`
    published: bool  # 00sequences.txt lists as much as was published
    splits: dict[str, KTHCount]  # numbers of the official splits
    persons: list[int]  # the persons that 00sequences.txt names
    actions: list[str]  # the actions that it names
    missing: list[str]  # videos that have ranges but were not found
    damaged: dict[str, str]  # videos of which fewer frames decode than their ranges need, with what follows
    as_published: dict[str, str]  # the same of a video that was published like that
    undecodable: dict[str, str]  # videos of which nothing decodes, with the reason
    duplicates: dict[str, list[str]]  # videos found more than once, with the files that are not used
    unlisted: list[str]  # videos found that 00sequences.txt does not give ranges to
    remedy: str  # what to do if something is missing; empty otherwise

    @property
    def complete(self) -> bool:
        """Whether every video with ranges is there as it was published, of two persons at least: one to test on."""
        return len(self.persons) > 1 and not (self.missing or self.undecodable or self.damaged)

    def table(self) -> Table:
        kinds = ("found", "listed", "published")[: 3 if self.published and not self.simulated else 2]
        heads = ["split", *(f"{what}\n{kind}" for what in ("sequences", "videos") for kind in kinds)]
        rows: list[list[Any]] = []
        for name, count in self.splits.items():
            sequences = (count.sequences, count.sequences_listed, count.sequences_published)
            videos = (count.videos, count.videos_listed, count.videos_published)
            rows.append([name, *sequences[: len(kinds)], *videos[: len(kinds)]])
        totals = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
        return Table(f"KTH in {self.root}: official splits", heads, rows, [["all", *totals]])

    def remarks(self) -> Iterator[str]:
        holds = f"{counted(len(self.persons), 'person')}, {counted(len(self.actions), 'action')}"
        if self.simulated:
            yield f"This is a simulated KTH: {holds}. The published numbers do not apply."
        elif not self.published:
            yield f"00sequences.txt lists a part of KTH: {holds}. The published numbers do not apply."
        if self.missing:
            yield f"Missing: {counted(len(self.missing), 'video')}: {listed(self.missing)}"
        yield from (f"Damaged: {name}: {what}" for name, what in self.damaged.items())
        yield from (f"Cut short, as it was published: {name}: {what}" for name, what in self.as_published.items())
        yield from (f"Cannot be used: {reason}" for reason in self.undecodable.values())
        for name, paths in self.duplicates.items():
            yield f"Found more than once: {name}; not used: {listed(paths)}"
        if self.unlisted:
            yield f"Not used, because 00sequences.txt has no frame ranges for them: {listed(self.unlisted)}"
        lacking = [split for split, count in self.splits.items() if not count.sequences_listed]
        if len(self.persons) < 2:
            yield "One person cannot be both trained on and tested on."
        elif lacking:
            other = "kfold" if len(self.persons) > 2 else "leave_one_out"
            yield f"The official protocol would have no {listed(lacking)} split here: train with data.protocol={other}."
        yield "Complete." if self.complete else f"Not complete. {self.remedy}."


def check(root: str | Path) -> KTHReport:
    """Count sequences against the published numbers, by decoding every video once.

    Args:
        root: folder of the data set.

    Raises:
        DataError: no such folder, no 00sequences.txt in it, or one that cannot be parsed.
    """
    root = Path(root)
    sequences = read_sequences(root)
    in_list = {name: ranges for name, ranges in sequences.items() if ranges}
    files = find_videos(root)
    found = {name: path for name, path in files.paths.items() if name in in_list}
    frames, failed = video.count_all(list(found.values()))
    usable = {name: clamp_ranges(in_list[name], frames[path]) for name, path in found.items() if path in frames}
    missing = [name for name in in_list if name not in found]
    simulated = (root / SIMULATED_MARKER).exists()
    short = {
        name: f"{video.declared_frames(found[name])} frames declared, {frames[found[name]]} decode; "
        f"sequences: {', '.join(clamped.changes)}"
        for name, clamped in usable.items()
        if clamped.changes
    }
    known = {
        name
        for name in short
        if name == PUBLISHED_SHORT and not simulated and len(usable[name].ranges) == len(in_list[name])
    }
    damaged = {name: what for name, what in short.items() if name not in known}
    broken = [*failed, *(found[name] for name in damaged)]
    persons = sorted({parse_name(name).person for name in sequences})
    return KTHReport(
        root=str(root),
        simulated=simulated,
        published=_counts(in_list) == (PUBLISHED_VIDEOS, PUBLISHED_SEQUENCES),
        splits=_split_counts(in_list, {name: clamped.ranges for name, clamped in usable.items()}),
        persons=persons,
        actions=[action for action in ACTIONS if any(parse_name(name).action == action for name in sequences)],
        missing=missing,
        damaged=damaged,
        as_published={name: short[name] for name in known},
        undecodable={name: failed[path] for name, path in found.items() if path in failed},
        duplicates={name: list(map(str, paths)) for name, paths in files.duplicates.items()},
        unlisted=[name for name in files.paths if name not in in_list],
        remedy=_remedy(root, simulated, broken) if missing or broken or len(persons) < 2 else "",
    )


def _remedy(root: Path, simulated: bool, broken: list[Path]) -> str:
    """How to complete the folder, in words; what is complete is kept."""
    if simulated:
        return f"Run `lstmzoo data simulate kth root={root}`, which makes what is broken again"
    first = f"Delete {listed(broken)}, then run" if broken else "Run"
    return f"{first} `lstmzoo data prepare kth root={root}`"


def _counts(sequences: dict[str, list[Range]]) -> tuple[dict[str, int], dict[str, int]]:
    """Count videos and sequences of the official splits."""
    persons = split_persons("official")._asdict()
    of_split = {
        split: [ranges for name, ranges in sequences.items() if parse_name(name).person in members]
        for split, members in persons.items()
    }
    return {s: len(r) for s, r in of_split.items()}, {s: sum(map(len, r)) for s, r in of_split.items()}


def _split_counts(listed: dict[str, list[Range]], usable: dict[str, list[Range]]) -> dict[str, KTHCount]:
    videos, sequences = _counts(usable)
    videos_listed, sequences_listed = _counts(listed)
    columns = (videos, videos_listed, PUBLISHED_VIDEOS, sequences, sequences_listed, PUBLISHED_SEQUENCES)
    return {split: KTHCount(*(column[split] for column in columns)) for split in PUBLISHED_SEQUENCES}
