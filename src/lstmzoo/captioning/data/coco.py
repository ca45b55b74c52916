"""COCO's own annotations, captions_train2014.json, captions_val2014.json or those of 2017, and others in their form.

Chen et al., "Microsoft COCO captions: data collection and evaluation server", arXiv 1504.00325.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from lstmzoo.captioning.data.records import (
    SPLITS,
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
from lstmzoo.captioning.data.text import Issues
from lstmzoo.errors import DataError
from lstmzoo.io.split_names import SPLIT_NAMES, split_of

_NAME = re.compile(rf"captions_(({'|'.join(SPLIT_NAMES)})(?:\d{{4}})?)\.json", re.IGNORECASE)
_OTHER_NAME = re.compile(rf"(?<![a-z])({'|'.join(SPLIT_NAMES)})(?![a-z])")
_OTHER_TASKS = re.compile(r"(instances|person_keypoints|stuff|panoptic|image_info)_.*\.json")
_PUBLISHED_IMAGE = re.compile(r"(?:COCO_(?:train|val)2014_)?\d{12}\.jpg")


def find(root: Path) -> list[Path]:
    """List the caption files in a folder or in its ``annotations``; there, they may also be called ``train.json``."""
    files = _json_files(root)
    named = [path for path in files if _NAME.fullmatch(path.name)]
    plain = [path for path in files if path.parent != root and split_of(path.stem)]
    return named or sorted(plain, key=lambda path: SPLITS.index(split_of(path.stem) or ""))


def note_others(root: Path, read: list[Path], issues: Issues) -> None:
    """Note the JSON files of a folder that are not read; those of COCO's other tasks are known to hold no captions."""
    for path in _json_files(root):
        if path not in read and not _OTHER_TASKS.fullmatch(path.name):
            issues.note("JSON file whose name says no split, left out", path.name)


def _json_files(root: Path) -> list[Path]:
    return [path for folder in (root, root / "annotations") for path in sorted(folder.glob("*.json"))]


def read(paths: list[Path], image_dir: Path | None = None) -> CaptionFiles:
    """Read COCO's caption files, or others of their form.

    Args:
        paths: the files, one per split. Other names than COCO's may say the split, too; images are in none where a
            name says nothing.
        image_dir: folder of the images, or of the folders ``train2014`` and so on.

    Returns:
        The data set; images go by their number. It is called coco where all images have COCO's names.

    Raises:
        DataError: broken JSON, an entry without what it needs, an image that is listed twice in a file, or two files
            for one split.
    """
    issues = Issues()
    records: list[CaptionRecord] = []
    files: dict[str, Path] = {}
    for path in paths:
        folder, split = _folder_and_split(path)
        if split in files:
            raise DataError(f"{files[split]} and {path} are both for {split!r}; keep one of them in the folder")
        files[split] = path
        root = path.parent.parent if path.parent.name == "annotations" else path.parent
        base = root if image_dir is None else image_dir
        images = find_folder(base, filter(None, (folder, f"images/{folder}", split, f"images/{split}", "images")))
        records += _read_one(path, split, images, issues)
    source = paths[0] if len(paths) == 1 else paths[0].parent
    published = all(_PUBLISHED_IMAGE.fullmatch(record.path.name) for record in records)
    return CaptionFiles("coco", "coco" if published else "", source, records, issues)


def _folder_and_split(path: Path) -> tuple[str, str]:
    """Tell by the name of a caption file what the folder of its images is called, and which split it is of."""
    if match := _NAME.fullmatch(path.name):
        return match[1], SPLIT_NAMES[match[2].lower()]
    splits = {SPLIT_NAMES[name] for name in _OTHER_NAME.findall(path.stem.lower())}
    return path.stem, splits.pop() if len(splits) == 1 else ""


def _read_one(path: Path, split: str, folder: Path, issues: Issues) -> list[CaptionRecord]:
    found = read_json(path)
    if split == "test" and not found.get("annotations"):  # as COCO hands out its own
        issues.note("test images without captions, left out", path.name)
        return []
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
        record = make_record(image_id, folder / name, split, sentences.get(image_id, []), place, issues)
        listed.add(image_id)
        if record is not None:
            add_record(record, records, path)
    for image_id, captions in sentences.items():
        for _, _, place in captions if image_id not in listed else []:
            issues.note("caption of an image that is not listed, left out", f"{place} (image {image_id!r})")
    return list(records.values())
