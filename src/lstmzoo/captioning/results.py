"""What a test of a captioner finds: numbers, a table and files; and the scores of captions of any method."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.table import Table

from lstmzoo.captioning.data.layouts import read_captions
from lstmzoo.captioning.data.listing import listed_records
from lstmzoo.captioning.data.square_images import read_thumbnail
from lstmzoo.captioning.data.text import plain
from lstmzoo.captioning.metrics.scores import Scores, evaluate, load_results, match_ids
from lstmzoo.captioning.metrics.several import score_several
from lstmzoo.io.atomic import replacing, write_json
from lstmzoo.io.stamp import stamp
from lstmzoo.io.terminal import wide_console

EXAMPLES = 5
"""Captions shown on the terminal."""

# A sentence that ends with one of these is incomplete.
BAD_ENDINGS = frozenset(
    (
        *("a", "an", "the", "and", "or", "of", "in", "on", "at", "to", "with", "by", "from", "for", "into", "near"),
        *("over", "under", "behind", "through", "its", "his", "her", "their", "is", "are"),
    )
)


@dataclass(frozen=True)
class Caption:
    """The captions of an image of the test; ``ended`` says of the best one whether it has an end."""

    image_id: int | str
    path: str
    sentences: list[str]
    references: list[str]
    ended: bool

    @property
    def ends_badly(self) -> bool:
        """Whether the best sentence is empty, has no end, or ends in an article, a preposition or the like."""
        words = self.sentences[0].split()
        return not self.ended or not words or words[-1] in BAD_ENDINGS


@dataclass(frozen=True)
class CaptionResults:
    """The outcome of a test."""

    scores: Scores  # the field's numbers, computed once over the whole set, of the best sentence of each image
    captions: list[Caption]  # the sentences
    decoding: dict[str, Any]  # how they were generated
    # share of the best sentences that are true and well worded; of simulated images only, where every true sentence is
    # known
    exact: float | None = None
    # share of the true sentences whose last word was found, given all before it; of simulated images whose captions
    # agree in their first and last words only
    agreement: float | None = None
    ensemble: Sequence[str] = ()  # checkpoints whose probabilities were averaged; empty for a single one

    @property
    def bad_endings(self) -> float:
        """Share of the best sentences that end badly; see `Caption.ends_badly`."""
        return _mean(caption.ends_badly for caption in self.captions)

    @property
    def unended(self) -> float:
        """Share of the best sentences without an end, which reached the largest number of words."""
        return _mean(not caption.ended for caption in self.captions)

    @property
    def words(self) -> float:
        """Mean number of words of the best sentences."""
        return _mean(len(caption.sentences[0].split()) for caption in self.captions)

    @cached_property
    def several(self) -> dict[str, float]:
        """What `score_several` says of the sentences; empty where there is one for each image."""
        if all(len(one.sentences) == 1 for one in self.captions):
            return {}
        references = {one.image_id: one.references for one in self.captions}
        return score_several(references, {one.image_id: one.sentences for one in self.captions})

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers, ready for JSON."""
        return {
            **self.scores.with_gaps(),
            **self.several,
            "bad_endings": self.bad_endings,
            "unended": self.unended,
            "words": self.words,
            **({} if self.exact is None else {"exact_match": self.exact}),
            **({} if self.agreement is None else {"agreement": self.agreement}),
            "images": len(self.captions),
            "tokenizer": self.scores.tokenizer,
            "remark": self.scores.remark,
            "decoding": self.decoding,
            **({"ensemble": [*self.ensemble]} if self.ensemble else {}),
        }

    def save(self, folder: Path, about: dict[str, Any]) -> list[str]:
        """Write metrics.json (with what is known about the test), captions.json (COCO's form) and contact_sheet.png."""
        from lstmzoo.captioning.caption_plots import MOST, contact_sheet

        write_json(folder / "metrics.json", self.as_dict() | about)
        write_results(
            folder / "captions.json",
            [
                {"image_id": one.image_id, "caption": one.sentences[0], "captions": one.sentences}
                for one in self.captions
            ],
        )
        every = max(1, len(self.captions) // MOST)
        shown = self.captions[::every][:MOST]
        contact_sheet(
            [read_thumbnail(one.path) for one in shown],
            [one.sentences for one in shown],
            folder / "contact_sheet.png",
            names=[str(one.image_id) for one in shown],
            references=[one.references[0] for one in shown],
            title=f"{len(shown)} of {len(self.captions)} images: the model's captions, and a person's (grey)",
        )
        return ["metrics.json", "captions.json", "contact_sheet.png"]

    def show(self, title: str, details: bool) -> None:
        """Print the scores, and with `details` a few captions."""
        more = {
            "mean number of words": f"{self.words:.1f}",
            "incomplete sentences": f"{self.bad_endings:.1%}",
            "sentences without an end": f"{self.unended:.1%}",
        }
        more |= {f"{name}, all sentences": f"{100 * value:.1f}" for name, value in self.several.items()}
        if self.exact is not None:
            more["true and well worded"] = f"{self.exact:.1%}"
        if self.agreement is not None:
            more["last words that agree with the first"] = f"{self.agreement:.1%}"
        show_scores(self.scores, f"{title}: {len(self.captions)} images", more)
        for one in self.captions[:EXAMPLES] if details else ():
            wide_console().print(f"{one.image_id}: {one.sentences[0]}", soft_wrap=True)


def measure(captions: Sequence[Caption], **options: Any) -> Scores:
    """Score the best sentences as a whole; options are those of `evaluate`."""
    references = {caption.image_id: caption.references for caption in captions}
    return evaluate(references, {caption.image_id: caption.sentences[0] for caption in captions}, **options)


def score_file(
    results: Path,
    data: dict[str, Any],
    *,
    split: Literal["train", "val", "test"] = "test",
    output: Path | None = None,
) -> None:
    """Score captions of any method.

    Args:
        results: a file in COCO's form of results, ``[{"image_id": 42, "caption": "a dog"}, ...]``.
        data: settings of the data set.
        split: train, val or test.
        output: folder for metrics.json; null: nothing is written.

    Raises:
        LstmzooError: captions and images do not match.
        DataError: the file or the data set cannot be used.
    """
    root = Path(str(data["root"])).expanduser()
    places = {key: data.get(key) for key in ("image_dir", "split_dir")}
    files = read_captions(root, data.get("layout", "auto"), **places)
    records = listed_records(files, split, root)  # the images themselves are not needed
    references: dict[Any, list[str]] = {record.image_id: list(record.captions) for record in records}
    captions = {key: plain(caption) for key, caption in load_results(results).items()}  # as the references are
    scores = evaluate(references, match_ids(captions, {record.image_id: record.path.name for record in records}))
    show_scores(scores, f"{results} on {root}, {split} split: {len(references)} images")
    if output is not None:
        about = {"images": len(references), "tokenizer": scores.tokenizer, "remark": scores.remark}
        measured = {"results": str(results), "root": str(root), "split": split, **stamp()}
        write_json(output / "metrics.json", {**scores.with_gaps(), **about, "measured": measured})
        print(f"Written to {output}: metrics.json")


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
    """Name images in a file of results: by their file names, or by their paths where two share a name."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    absolute = [os.path.abspath(path) for path in paths]
    base = os.path.commonpath([os.path.dirname(path) for path in absolute])
    return [Path(path).relative_to(base).as_posix() for path in absolute]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
