"""``lstmzoo data simulate|prepare|check captions``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmzoo.io.atomic import write_atomically

if TYPE_CHECKING:
    from lstmzoo.captioning.data.check import CaptionsReport


def simulate(root: str, **options: Any) -> None:
    """Write a simulated set."""
    from lstmzoo.captioning.data.captions_simulated import simulate_captions

    simulate_captions(Path(root), **options)
    print(f"Simulated captions written to {root}. Look at them with `lstmzoo data check captions root={root}`.")


def prepare(root: str, dataset: str = "flickr8k", source: str | None = None) -> None:
    """Fetch a real set."""
    from lstmzoo.captioning.data.prepare import TERMS
    from lstmzoo.captioning.data.prepare import prepare as fetch

    fetch(Path(root), dataset, source=source)
    print(TERMS[dataset])
    print(f"It is in {root}. Compare it with the published numbers: `lstmzoo data check captions root={root}`.")


def check(
    root: str,
    layout: str = "auto",
    image_dir: str | None = None,
    split_dir: str | None = None,
    json: str | None = None,
) -> None:
    """Count what is there; exit code 1 if something is missing, or nothing can be trained on it."""
    from lstmzoo.captioning.data.check import check as count

    report = count(root, layout, image_dir=image_dir, split_dir=split_dir)
    if json is not None:
        write_atomically(Path(json), f"{report.to_json()}\n")
    _print(report)
    if not report.trainable:
        raise SystemExit(1)


def _print(report: CaptionsReport) -> None:
    from rich.table import Table

    from lstmzoo.io.terminal import PlainConsole

    table = Table(title=f"Captions of {report.dataset or report.source}", title_justify="left")
    table.add_column("split")
    for head in ("images\nfound", "images\nlisted", "images\npublished", "captions\nfound", "captions\npublished"):
        table.add_column(head, justify="right")
    for split, count in report.splits.items():
        row = (
            count.images,
            count.images_listed,
            count.images_published,
            count.captions,
            count.captions_published,
        )
        table.add_row(split, *("" if number is None else str(number) for number in row))
    console = PlainConsole()
    console.print(table)
    for line in _remarks(report):
        console.print(line, soft_wrap=True)


def _remarks(report: CaptionsReport) -> Iterator[str]:
    """Word what the table does not show."""
    from lstmzoo.captioning.metrics.java import INSTALL, has_java
    from lstmzoo.io.wording import listed

    fewest, most = report.captions_per_image
    each = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    yield f"Read from {report.source}, layout {report.layout}."
    yield (
        f"{each} {'caption' if most == 1 else 'captions'} per image; {report.words} different words in training, "
        f"{report.frequent_words} of them five times or more."
    )
    if report.simulated:
        yield "This is a simulated set."
    for split, count in report.splits.items():
        if count.images_published is None:
            continue
        if not count.images_listed:
            yield f"Split {split} is not here ({count.images_published} images were published)."
        elif (count.images_listed, count.captions) != (count.images_published, count.captions_published):
            found, published = (
                f"{images} images and {captions} captions"
                for images, captions in (
                    (count.images_listed, count.captions),
                    (count.images_published, count.captions_published),
                )
            )
            yield f"Split {split} is not the published one: {found} instead of {published}."
    yield from (f"{kind}: {len(places)}: {listed(places, 3)}" for kind, places in report.oddities.items())
    for what, places in (
        ("Images that are not there", report.missing),
        ("Listed, but without captions", report.unmatched),
        ("Images that cannot be decoded", report.undecodable),
    ):
        if places:
            yield f"{what}: {len(places)}: {listed(places)}"
    if not has_java():
        yield f"There is no Java here: `lstmzoo eval` leaves METEOR out, and uses its own tokeniser; {INSTALL}."
    yield _verdict(report)


def _verdict(report: CaptionsReport) -> str:
    if not report.complete:
        return f"Not complete. {'. '.join([report.remedy, *report.obstacles])}."
    if report.obstacles:
        return f"What is listed is there, but no captioner can be trained on it. {'. '.join(report.obstacles)}."
    absent = [split for split, count in report.splits.items() if not count.images_listed]
    return f"What is listed is complete; not here: {', '.join(absent)}." if absent else "Complete."
