"""Objects cut out of annotated videos, which move before photographs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lstmzoo.errors import DataError
from lstmzoo.io.images import read_rgb
from lstmzoo.segmentation.data.layout import RESOLUTIONS, MaskedVideo, find_layout, find_lists, find_sequences
from lstmzoo.segmentation.data.masks import VOID, check_size, read_mask
from lstmzoo.segmentation.data.to_and_fro import to_and_fro
from lstmzoo.synthetic.cutouts import Array, Cutout, cut_along

LEAST_AREA = 0.005
"""Share of the frame that an object covers at least in the first frame in which it is cut out."""

_ROOM = 1.08  # half of the side of a cutout, in reaches of the object


class VideoObjects:
    """Draws objects out of the sequences of a training list, in the layout of DAVIS.

    Args:
        root: folder with JPEGImages, Annotations and ImageSets, of whose lists ``train`` is taken.

    Raises:
        DataError: no data set, no such list, or no mask in its sequences.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        there = [name for name in RESOLUTIONS if (root / "JPEGImages" / name).is_dir()]
        resolution = there[0] if there else RESOLUTIONS[0]
        layout = find_layout(root, resolution)
        lists = find_lists(layout, "train", resolution=resolution)
        self.videos = {
            video.name: pairs for video in find_sequences(layout, lists) if (pairs := _annotated(video))
        }  # by name, the frames with a mask, and their masks
        if not self.videos:
            raise DataError(
                f"{layout.masks} has no mask for any sequence of {lists[0].path}, along which objects could be cut "
                "out: they are PNGs in a folder for each sequence, named as its frames"
            )

    def draw(self, frames: int, rng: np.random.Generator) -> list[Cutout]:
        """Draw an object and show it moving, in the middle of a square that follows it.

        Args:
            frames: T.
            rng: source of the randomness.

        Returns:
            T cutouts, of neighbouring frames, forwards or backwards, mirrored or not; blank where the object is not
            seen.

        Raises:
            DataError: a file that cannot be decoded, or no object covers `LEAST_AREA` of its frame.
        """
        pairs, first, number = self._start(rng)
        mirrored, backwards = rng.random(2) < 0.5
        places = to_and_fro(first + (-1 if backwards else 1) * np.arange(frames), len(pairs)).tolist()
        masks = {place: read_mask(pairs[place][1]) == number for place in places}  # (H, W) each
        centres, reach = _squares(masks)
        cutouts = {}
        for place, mask in masks.items():
            frame = read_rgb(pairs[place][0])
            check_size(pairs[place][1], mask, frame.shape[:2])
            cutout = cut_along(frame, mask, centres.get(place, np.zeros(2)), _ROOM * reach)
            cutouts[place] = Cutout(*(plane[:, ::-1] for plane in cutout)) if mirrored else cutout
        return [cutouts[place] for place in places]

    def _start(self, rng: np.random.Generator) -> tuple[list[tuple[Path, Path]], int, int]:
        """Draw a sequence, a place in it, and the number of an object that is large enough there."""
        starts = [(pairs, place) for pairs in self.videos.values() for place in range(len(pairs))]
        for start in rng.permutation(len(starts)):
            pairs, place = starts[start]
            ids = read_mask(pairs[place][1])
            numbers, areas = np.unique(ids, return_counts=True)
            large = numbers[(numbers > 0) & (numbers < VOID) & (areas >= LEAST_AREA * ids.size)]
            if len(large):
                return pairs, place, int(rng.choice(large))
        raise DataError(
            f"no mask of the list train in {self.root} shows an object on {LEAST_AREA:.1%} of its frame or more; cut "
            "objects out of another data set"
        )


def _annotated(video: MaskedVideo) -> list[tuple[Path, Path]]:
    return [(frame, mask) for frame, mask in zip(video.frames, video.masks, strict=True) if mask is not None]


def _squares(masks: Mapping[int, Array]) -> tuple[dict[int, Array], float]:
    """Where an object is (x, y) in each mask that shows it, and half of the side that holds it in all of them."""
    centres, reach = {}, 1.0
    for place, mask in masks.items():
        points = np.argwhere(mask)[:, ::-1]  # (P, 2)
        if len(points):
            centres[place] = points.mean(0)
            reach = max(reach, float(np.abs(points - centres[place]).max()))
    return centres, reach
