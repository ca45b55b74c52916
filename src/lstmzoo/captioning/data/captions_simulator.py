"""A simulated data set: images of coloured shapes with captions, in the layout of Karpathy's files."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock

from lstmzoo.captioning.data.layouts import SIMULATED_MARKER as MARKER
from lstmzoo.captioning.data.records import entry, read_json
from lstmzoo.captioning.data.text import tokenize
from lstmzoo.io.atomic import write_atomically
from lstmzoo.io.progress import progress_bar
from lstmzoo.synthetic.agreement import SPEAKERS, spoken, true_spoken
from lstmzoo.synthetic.marked_folder import claim, read_marker
from lstmzoo.synthetic.sentences import WORDINGS, sentence, true_sentences
from lstmzoo.synthetic.shapes import Drawing, Shapes, paint, random_drawing
from lstmzoo.synthetic.whole_numbers import check_whole

IMAGES = 2000
LEAST = 10
"""Fewest images: with them every split has one."""

CAPTIONS_FILE = "dataset_simulated.json"
_MAKER, _VERSION = "lstmzoo.data.simulate.captions", 1  # a mark in files, whatever this module is called
_QUALITY = 92
_LOCK = ".simulate.lock"


def simulate_captions(root: str | Path, *, images: int = IMAGES, seed: int = 0, agreement: int = 0) -> Path:
    """Paint images of coloured shapes with captions: JPEG files, and a JSON file like Karpathy's.

    They are 128×128, and ``dataset_simulated.json`` has five captions of each.

    Of ten images one is for validation and one for the test. Images that are already there are kept, so that a second
    call completes an interrupted one, and one that asks for more images extends the set.

    Args:
        root: folder of the data set; made if it is not there. A folder with anything else in it is refused.
        images: number of images, 10 or more.
        seed: every seed gives other images and captions.
        agreement: captions whose last word agrees with their first, with so many words counted between; 0:
            descriptions.

    Returns:
        The folder of the data set.

    Raises:
        LstmzooError: images or seed are not whole numbers, or too small.
        DataError: the folder holds something other than a simulated set of the same seed.
    """
    check_whole("images", images, LEAST)
    check_whole("seed", seed, 0)
    check_whole("agreement", agreement, 0)
    root = Path(root)
    mine = {"maker": _MAKER, "version": _VERSION, "seed": seed}
    claim(root, MARKER, mine | ({"agreement": agreement} if agreement else {}), "set of captions")
    folder = root / "images"
    with FileLock(root / _LOCK):
        folder.mkdir(exist_ok=True)
        total = max(images, len(list(folder.glob("*.jpg"))))
        entries = []
        with progress_bar("Painting images", total, "images") as advance:
            for number in range(total):
                entries.append(_make(folder, number, seed, agreement))
                advance(1)
        content = json.dumps({"images": entries, "dataset": "simulated"})
        write_atomically(root / CAPTIONS_FILE, content.encode())
    return root


def contents(root: str | os.PathLike[str]) -> dict[str, int] | None:
    """Return the arguments that a simulated set was made with.

    Args:
        root: its folder.

    Returns:
        ``{"images": ..., "seed": ..., "agreement": ...}``; None where there is no such set, or one whose first making
        was interrupted.
    """
    root = Path(root)
    if not (root / MARKER).is_file() or not (root / CAPTIONS_FILE).is_file():
        return None
    images = entry(read_json(root / CAPTIONS_FILE), "images", str(root / CAPTIONS_FILE), list)
    seed = entry(read_json(root / MARKER), "seed", str(root / MARKER))
    return {"images": len(images), "seed": seed, "agreement": agreement_of(root)}


def agreement_of(root: str | os.PathLike[str]) -> int:
    """The words between which the captions of a simulated set agree; 0 where they don't, or in any other folder."""
    found = read_marker(Path(root) / MARKER).get("agreement", 0) if (Path(root) / MARKER).is_file() else 0
    return found if type(found) is int else 0


def true_captions(root: str | os.PathLike[str]) -> dict[str, set[str]]:
    """Return every true sentence about each image: the yardstick of an exact match.

    Args:
        root: folder of a simulated set.

    Returns:
        For each file name the true sentences, lower case and without punctuation, as models write them.
    """
    images: list[dict[str, Any]] = json.loads((Path(root) / CAPTIONS_FILE).read_text())["images"]
    distance = agreement_of(root)

    def sentences(drawing: Drawing) -> list[str]:
        return true_spoken(drawing, distance) if distance else true_sentences(drawing)

    return {
        entry["filename"]: {" ".join(tokenize(text)) for text in sentences(_from_json(entry["picture"]))}
        for entry in images
    }


def exact_match(root: str | os.PathLike[str], said: Mapping[str, str]) -> float:
    """Return the share of sentences that are true and well worded.

    Args:
        root: folder of a simulated set.
        said: a sentence for each file name, lower case and without punctuation.

    Returns:
        0..1.
    """
    true = true_captions(root)
    return sum(sentence in true[name] for name, sentence in said.items()) / len(said)


def _make(folder: Path, number: int, seed: int, agreement: int) -> dict[str, Any]:
    """Paint an image, unless it is there, and make its entry; both depend on (seed, number) only."""
    rng = np.random.default_rng([seed, number])
    drawing = random_drawing(rng)
    turns = rng.random(WORDINGS) < 0.5
    if agreement:
        speakers = np.random.default_rng([seed, number, agreement]).choice(SPEAKERS, WORDINGS)  # apart from the image
        seen = [drawing.second if turned else drawing.first for turned in turns]
        sentences = [spoken(shapes, str(one), agreement) for shapes, one in zip(seen, speakers, strict=True)]
    else:
        sentences = [sentence(drawing, wording, bool(turned)) for wording, turned in enumerate(turns)]
    path = folder / f"simulated_{number:06d}.jpg"
    if not path.exists():
        colours = cv2.cvtColor(paint(drawing, rng), cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        write_atomically(path, encoded.tobytes())
    ids = [WORDINGS * number + wording for wording in range(WORDINGS)]
    return {
        "imgid": number,
        "filename": path.name,
        "split": {8: "val", 9: "test"}.get(number % 10, "train"),
        "sentids": ids,
        "sentences": [
            {"raw": text, "tokens": list(tokenize(text)), "imgid": number, "sentid": sentid}
            for text, sentid in zip(sentences, ids, strict=True)
        ],
        "picture": {**drawing._asdict(), "first": drawing.first._asdict(), "second": drawing.second._asdict()},
    }


def _from_json(saved: Mapping[str, Any]) -> Drawing:
    return Drawing(Shapes(**saved["first"]), Shapes(**saved["second"]), saved["beside"])
