"""COCO's own annotations: captions_train2014.json, captions_val2014.json, or those of 2017.

Chen et al., "Microsoft COCO captions: data collection and evaluation server", arXiv 1504.00325.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from lstmzoo.data.captions.records import (
    CaptionFiles,
    CaptionRecord,
    ImageId,
    add_record,
    entry,
    find_folder,
    image_id_of,
    make_record,
    read_json,
)
from lstmzoo.data.captions.text import Oddities
from lstmzoo.errors import DataError

_NAME = re.compile(r"captions_((train|val)(?:\d{4})?)\.json")


def find(root: Path) -> list[Path]:
    """List the caption files in a folder or in its ``annotations``."""
    files = [path for folder in (root, root / "annotations") for path in sorted(folder.glob("captions_*.json"))]
    return [path for path in files if _NAME.fullmatch(path.name)]


def read(paths: list[Path], image_dir: Path | None = None) -> CaptionFiles:
    """Read COCO's caption files.

    Args:
        paths: the files, one per split.
        image_dir: folder of the images, or of the folders ``train2014`` and so on.

    Returns:
        The data set; images go by their number.

    Raises:
        DataError: broken JSON, an entry without what it needs, an image that is listed twice in a file, or two files
            for one split.
    """
    oddities = Oddities()
    records: list[CaptionRecord] = []
    files: dict[str, Path] = {}
    for path in paths:
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise DataError(f"{path} is not named captions_train2014.json, captions_val2014.json or the like")
        folder, split = match[1], match[2]
        if split in files:
            raise DataError(f"{files[split]} and {path} are both for {split!r}; keep those of one year in one folder")
        files[split] = path
        root = path.parent.parent if path.parent.name == "annotations" else path.parent
        base = root if image_dir is None else image_dir
        images = find_folder(base, (folder, f"images/{folder}", "images"))
        records += _read_one(path, split, images, oddities)
    source = paths[0] if len(paths) == 1 else paths[0].parent
    return CaptionFiles("coco", "coco", source, records, oddities)


def _read_one(path: Path, split: str, folder: Path, oddities: Oddities) -> list[CaptionRecord]:
    found = read_json(path)
    sentences: dict[ImageId, list[tuple[Any, Any, str]]] = defaultdict(list)
    for number, annotation in enumerate(entry(found, "annotations", str(path), list)):
        place = f"{path.name}, annotations[{number}]"
        image_id = image_id_of(annotation, "image_id", place)
        sentences[image_id].append((entry(annotation, "caption", place), None, place))
    listed: set[ImageId] = set()
    records: dict[ImageId, CaptionRecord] = {}
    for number, image in enumerate(entry(found, "images", str(path), list)):
        place = f"{path.name}, images[{number}]"
        image_id, name = image_id_of(image, "id", place), entry(image, "file_name", place, str)
        record = make_record(image_id, folder / name, split, sentences.get(image_id, []), place, oddities)
        listed.add(image_id)
        if record is not None:
            add_record(record, records, path)
    for image_id, captions in sentences.items():
        for _, _, place in captions if image_id not in listed else []:
            oddities.note("caption of an image that is not listed, left out", f"{place} (image {image_id!r})")
    return list(records.values())
