"""What a test of a captioner found: a table and files; and the scores of anybody's captions."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from lstmzoo.captioning.data import read_captions
from lstmzoo.captioning.data.dataset import listed_records
from lstmzoo.captioning.data.images import read_thumbnail
from lstmzoo.captioning.data.text import plain
from lstmzoo.captioning.metrics.scores import Scores, evaluate, load_results, match_ids
from lstmzoo.captioning.plots import MOST, contact_sheet
from lstmzoo.captioning.task import CaptionResults
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.io.atomic import replacing, write_json
from lstmzoo.io.terminal import wide_console
from lstmzoo.runs.measured import stamp

EXAMPLES = 5
"""Captions shown on the terminal."""


def save_captions(results: CaptionResults, folder: Path, about: dict[str, Any]) -> None:
    """Write metrics.json (with what is known about the test), captions.json (COCO's form) and contact_sheet.png."""
    write_json(folder / "metrics.json", results.as_dict() | about)
    entries = [
        {"image_id": one.image_id, "caption": one.sentences[0], "captions": one.sentences} for one in results.captions
    ]
    write_results(folder / "captions.json", entries)
    every = max(1, len(results.captions) // MOST)
    shown = results.captions[::every][:MOST]
    contact_sheet(
        [read_thumbnail(one.path) for one in shown],
        [one.sentences for one in shown],
        folder / "contact_sheet.png",
        names=[str(one.image_id) for one in shown],
        references=[one.references[0] for one in shown],
        title=f"{len(shown)} of {len(results.captions)} pictures: what was said, and what a person said (grey)",
    )


def show_captions(results: CaptionResults, title: str, details: bool) -> None:
    """Print the scores, and with `details` a few captions."""
    more = {
        "mean number of words": f"{results.words:.1f}",
        "that end badly": f"{results.bad_endings:.1%}",
        "that do not end": f"{results.unended:.1%}",
    }
    if results.exact is not None:
        more["true and well worded"] = f"{results.exact:.1%}"
    show_scores(results.scores, f"{title}: {len(results.captions)} pictures", more)
    for one in results.captions[:EXAMPLES] if details else ():
        wide_console().print(f"{one.image_id}: {one.sentences[0]}", soft_wrap=True)


def show_scores(scores: Scores, title: str, more: Mapping[str, str] | None = None) -> None:
    """Print scores as a table: fractions as percentages, CIDEr-D on its own scale times 100, as papers have them."""
    console = wide_console()
    console.print(title, soft_wrap=True)
    table = Table()
    table.add_column("measure")
    table.add_column("× 100", justify="right")
    for name, value in scores.items():
        table.add_row(name, f"{100 * value:.1f}")
    for name, text in (more or {}).items():
        table.add_row(name, text)
    console.print(table)
    console.print(scores.remark, soft_wrap=True)


def write_results(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Write captions in COCO's form of results, one entry per line."""
    lines = ",\n ".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    with replacing(path) as temporary:
        temporary.write_text(f"[{lines}]\n", encoding="utf-8")


def image_ids(paths: Sequence[Path]) -> list[str]:
    """What pictures are called in a file of results: by their names, or by their paths where two have one name."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    absolute = [os.path.abspath(path) for path in paths]
    base = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [Path(path).relative_to(base).as_posix() for path in absolute]


def score_file(argv: list[str]) -> None:
    """Score a file of captions against a data set.

    Args:
        argv: overrides of ``configs/eval_results.yaml``.

    Raises:
        LstmzooError: a mistake in what was asked for.
        DataError: the file or the data set cannot be used.
    """
    from lstmzoo.config.compose import compose
    from lstmzoo.runs.build import absolute_paths
    from lstmzoo.runs.request import SPLITS

    if not any(argument.startswith(("data=", "data.root=")) for argument in argv):
        raise LstmzooError(
            "results=...: name the data set whose pictures were described, e.g. data=flickr8k data.root=FOLDER"
        )
    config = compose("eval_results", argv)
    if config.split not in SPLITS:
        raise LstmzooError(unknown_choice("split", config.split, SPLITS))
    if "layout" not in config.data:
        raise LstmzooError(f"data={config.data.name} has no captions; choose e.g. data=flickr8k data.root=FOLDER")
    absolute_paths(config)
    data = config.data
    files = read_captions(data.root, data.layout, image_dir=data.image_dir, split_dir=data.split_dir)
    records = listed_records(files, config.split, Path(data.root))  # the pictures themselves are not needed
    references: dict[Any, list[str]] = {record.image_id: list(record.captions) for record in records}
    given = load_results(Path(str(config.results)).expanduser())
    said = {key: plain(caption) for key, caption in given.items()}  # as the references are
    scores = evaluate(references, match_ids(said, {record.image_id: record.path.name for record in records}))
    show_scores(scores, f"{config.results} on {data.root}, {config.split} split: {len(references)} pictures")
    if config.output is not None:
        folder = Path(str(config.output)).expanduser()
        about = {"pictures": len(references), "tokenizer": scores.tokenizer, "remark": scores.remark}
        measured = {"results": str(config.results), "root": str(data.root), "split": config.split, **stamp()}
        write_json(folder / "metrics.json", {**scores.with_gaps(), **about, "measured": measured})
        print(f"Written to {folder}: metrics.json")
