"""Images and their captions, as a torch Dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from lstmzoo.captioning.data.captions_simulator import simulate_captions
from lstmzoo.captioning.data.check import check
from lstmzoo.captioning.data.features import Encoder, FeatureCache, UnreadableImages
from lstmzoo.captioning.data.layouts import read_captions
from lstmzoo.captioning.data.listing import check_images, listed_records, others, warn_of_names
from lstmzoo.captioning.data.prepare import prepare
from lstmzoo.captioning.data.records import SPLITS
from lstmzoo.captioning.data.square_images import mirror, read_image
from lstmzoo.errors import DataError, LstmzooError, unknown_choice
from lstmzoo.io.cache import default_cache_dir
from lstmzoo.registry import register_dataset

_SPLIT_NAMES = (*SPLITS, "dev", "trainval", "all")


@register_dataset("captions", "captioning")
class Captions(Dataset[dict[str, Any]]):
    """Your own captions, or those of COCO or Flickr30k: data.root=FOLDER in any of the layouts.

    An item is a dictionary:

    - ``"image"``: uint8 (3, H, W), RGB; or ``"grid"``: float16 (N, C), the features that `use_features` has computed
    - ``"image_id"``: COCO's number, or the file name
    - ``"captions"``: list of all its captions, as people wrote them
    - ``"tokens"``: list of the words of each
    - ``"index"``: int, the item

    Args:
        root: folder of the data set, or the file with its captions.
        split: train, val (or dev), test, trainval or all. COCO's restval belongs to train, as usual.
        layout: auto, karpathy, coco, flickr8k, flickr30k or csv.
        size: (height, width) of the images, in pixels.
        image_dir: folder of the images; null: found beside the captions.
        split_dir: folder of the split lists; null: beside the captions.

    Raises:
        DataError: no captions there, a broken file, a split that is empty, or images that are not there; the message
            names file and entry.
        LstmzooError: an unknown split or layout.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        layout: str = "auto",
        *,
        size: tuple[int, int] = (224, 224),
        image_dir: str | Path | None = None,
        split_dir: str | Path | None = None,
    ) -> None:
        if split not in _SPLIT_NAMES:
            raise LstmzooError(unknown_choice("split", split, _SPLIT_NAMES))
        self.root, self.size = Path(root), (size[0], size[1])
        self.split = "val" if split == "dev" else split
        self.files = read_captions(self.root, layout, image_dir=image_dir, split_dir=split_dir)
        self.records = listed_records(self.files, self.split, self.root)
        warn_of_names(self.files)
        check_images(self.files, self.records, self.split, self.root)
        self.features: FeatureCache | None = None
        self.mirrored: FeatureCache | None = None

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, Any]:
        """Return an item.

        Args:
            index: the item, or (item, epoch) as the sampler of training gives it.

        Raises:
            IndexError: there is no such item.
            DataError: the image cannot be decoded.
        """
        item = index[0] if isinstance(index, tuple) else index
        if not 0 <= item < len(self):
            raise IndexError(f"item {item} of {len(self)}")
        record = self.records[item]
        return {
            **self.image(item),
            "image_id": record.image_id,
            "captions": list(record.captions),
            "tokens": [list(words) for words in record.tokens],
            "index": item,
        }

    def use_features(
        self,
        encoder: Encoder,
        cache_dir: str | Path | None = None,
        *,
        mirrored: bool = False,
    ) -> None:
        """Give features in place of images from now on; computes them where they are not in the cache yet.

        Args:
            encoder: computes them, on the CPU; see `lstmzoo.captioning.data.features`.
            cache_dir: folder of the features; None: inside root.
            mirrored: also have the features of the mirrored images, for `image`.

        Raises:
            DataError: images that cannot be decoded, or a cache that cannot be written.
        """
        folder = self.root if self.root.is_dir() else self.root.parent
        paths = [record.path for record in self.records]
        caches = [
            FeatureCache(cache_dir or default_cache_dir(folder), paths, encoder, turned)
            for turned in ((False, True) if mirrored else (False,))
        ]
        try:
            for cache in caches:
                cache.build(encoder)
        except UnreadableImages as error:
            raise self._unreadable(error.errors) from error
        self.features, self.mirrored = caches[0], caches[1] if mirrored else None

    def sentences(self) -> list[tuple[str, ...]]:
        """Return the words of every caption of the split."""
        return [words for record in self.records for words in record.tokens]

    def image(self, number: int, mirrored: bool = False) -> dict[str, torch.Tensor]:
        """Return an image or its features.

        Args:
            number: the image, among `records`.
            mirrored: left and right change places; of features only after ``use_features(..., mirrored=True)``.

        Returns:
            ``"image"`` or ``"grid"``, as in an item.

        Raises:
            DataError: the image cannot be decoded.
        """
        if self.features is not None:
            cache = self.mirrored if mirrored else self.features
            assert cache is not None, "use_features(..., mirrored=True) comes first"
            return {"grid": torch.from_numpy(cache.grid(number))}
        try:
            image = read_image(self.records[number].path, self.size)
        except DataError as error:
            raise self._unreadable({number: error}) from error
        return {"image": torch.from_numpy(mirror(image) if mirrored else image)}

    check = staticmethod(check)
    simulate: Any = staticmethod(simulate_captions)
    prepare: Any = staticmethod(prepare)

    def _unreadable(self, errors: Mapping[int, DataError]) -> DataError:
        """Say where the first of some images that cannot be read is named, by the number of the record."""
        number, first = next(iter(errors.items()))
        return DataError(f"{first}; it is named in {self.records[number].place}{others(errors, self.root)}")


@register_dataset("flickr8k", "captioning", root="data/flickr8k")
class Flickr8k(Captions):
    """Flickr8k: 6,000 / 1,000 / 1,000 images with five captions each; `lstmzoo data prepare flickr8k` fetches it."""

    licence = "non-commercial research and teaching"
    simulate = None  # type: ignore[assignment]  # `data simulate captions` does that
