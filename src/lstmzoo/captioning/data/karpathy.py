"""Karpathy's files, dataset_{coco,flickr8k,flickr30k}.json: captions, words and splits in one.

Karpathy, Fei-Fei, "Deep visual-semantic alignments for generating image descriptions", CVPR 2015.
"""

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
from lstmzoo.errors import DataError, unknown_choice
from lstmzoo.io.split_names import split_of

IMAGE_FOLDERS = ("images", "Images", "Flicker8k_Dataset", "Flickr8k_Dataset", "flickr30k-images", "flickr30k_images")
"""Names under which the images of COCO and the two Flickr sets are found."""


def read(path: Path, image_dir: Path | None = None) -> CaptionFiles:
    """Read a file of Karpathy's.

    Args:
        path: the file.
        image_dir: folder of the images; by default one of `IMAGE_FOLDERS` beside the file, or the file's own.

    Returns:
        The data set. COCO's images go by their number (cocoid), others by their file name.

    Raises:
        DataError: broken JSON, an entry without what it needs, an unknown split, or an image that is listed twice; the
            message names the entry.
    """
    found = read_json(path)
    folder = find_folder(path.parent, IMAGE_FOLDERS, image_dir)
    issues = Issues()
    records: dict[ImageId, CaptionRecord] = {}
    images = entry(found, "images", str(path), list)
    for number, image in enumerate(images):
        place = f"{path.name}, images[{number}]"
        record = _record(image, folder, place, issues)
        if record is not None:
            add_record(record, records, path)
    name = found.get("dataset")
    return CaptionFiles("karpathy", name if isinstance(name, str) else "", path, list(records.values()), issues)


def _record(image: Any, folder: Path, place: str, issues: Issues) -> CaptionRecord | None:
    name = entry(image, "filename", place, str)
    named = entry(image, "split", place, str)
    split = named if named == "restval" else split_of(named)
    if split is None:
        raise DataError(f"{place}: {unknown_choice('split', named, (*SPLITS, 'restval'))}")
    sentences = [
        (entry(sentence, "raw", where), sentence.get("tokens"), where)
        for number, sentence in enumerate(entry(image, "sentences", place, list))
        for where in [f"{place}.sentences[{number}]"]
    ]
    path = folder / (entry(image, "filepath", place, str) if "filepath" in image else "") / name
    image_id = image_id_of(image, "cocoid", place) if "cocoid" in image else name
    return make_record(image_id, path, split, sentences, place, issues)
