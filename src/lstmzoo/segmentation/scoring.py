"""Scores of a model's masks of one video, and of a folder of masks that any method made."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from lstmzoo.errors import DataWarning, LstmzooError, unknown_choice
from lstmzoo.io.atomic import making_folder, write_json
from lstmzoo.io.stamp import stamp
from lstmzoo.io.terminal import print_plain, wide_console
from lstmzoo.io.wording import listed
from lstmzoo.models.outputs import check_finite
from lstmzoo.segmentation.data.inspection import LEAST_MASKS
from lstmzoo.segmentation.data.lists import default_split
from lstmzoo.segmentation.data.masks import VOID
from lstmzoo.segmentation.metrics import PROTOCOLS, evaluate, score_sequence
from lstmzoo.segmentation.models import label_map, object_ids, resize_frame, segment_video
from lstmzoo.segmentation.models.segment_stream import frame_order
from lstmzoo.segmentation.results import VideoScore, find_example
from lstmzoo.segmentation.tables import scores_table, write_official_tables


def score_video(
    model: Any,
    item: dict[str, Any],
    size: tuple[int, int],
    *,
    semi_supervised: bool,
    full_size: bool,
    flip: bool = False,
    reset_every: int | None = None,
    shuffle: bool = False,
    examples: bool = False,
    check: bool = False,
) -> VideoScore | None:
    """Segment a whole video and score it.

    Args:
        model: a segmentation model in evaluation mode.
        item: of a `MaskFolder`.
        size: (H, W) of the frames that the model sees.
        semi_supervised: give the first mask that shows an object, and follow its objects.
        full_size: score at the size of the files rather than at that of the model.
        flip: average with the prediction for the mirrored video.
        reset_every: frames after which the memory is reset; None: never.
        shuffle: show the frames in a random order, but for a first one whose mask is given.
        examples: keep the worst and the best frame.
        check: refuse outputs that are not finite.

    Returns:
        The scores; None where there are too few masks from the first object on.

    Raises:
        DataError: the model's outputs are not finite.
    """
    video, annotated = item["video"], item["annotated"]
    truth = item["masks"] if full_size else shrunk(item["masks"], size)
    options: dict[str, Any]
    begin, first_mask = 0, None
    if semi_supervised:
        shown = annotated & ((truth > 0) & (truth < VOID)).flatten(1).any(1)
        begin = int(shown.int().argmax())
        scorable = bool(shown.any()) and annotated[begin:].sum() >= LEAST_MASKS
        if not full_size and not (scorable and _same_objects(truth[begin], item["masks"][begin])):
            options = {"semi_supervised": True, "flip": flip, "examples": examples, "check": check}
            options |= {"reset_every": reset_every, "shuffle": shuffle}
            return score_video(model, item, size, full_size=True, **options)  # some are too small for the model's size
        if not scorable:
            return None
        first_mask = truth[begin]
    ids = [1] if first_mask is None else object_ids(first_mask)
    order = frame_order(len(video), begin, int(item["index"]), shuffle=shuffle, keep_first=semi_supervised)
    options = {"full_size": full_size, "flip": flip, "reset_every": reset_every, "check": check}
    predictions = label_maps(model, item, size, ids, order, first_mask, **options)
    scored = [t for t in range(begin, len(video)) if annotated[t]]
    predicted = np.stack([predictions[t] for t in scored])
    true = truth[scored].cpu().numpy()
    if not semi_supervised:
        true = np.where(true == VOID, true, true > 0).astype(np.uint8)
    elif not item["official"]:
        true = _leave_out_late(true, ids, item["name"])
    scores = score_sequence(
        predicted,
        true,
        protocol="semi-supervised" if semi_supervised else "unsupervised",
        binary=not semi_supervised,
        name=item["name"],
        frames=[str(t) for t in scored],
        official=item["official"],
    )
    example = find_example(scores, scored, video, predicted, true) if examples and len(scores.j) else None
    return VideoScore(int(item["index"]), scores, example)


def label_maps(
    model: Any,
    item: dict[str, Any],
    size: tuple[int, int],
    ids: Sequence[int],
    order: Sequence[int],
    first_mask: Tensor | None = None,
    *,
    full_size: bool,
    flip: bool,
    reset_every: int | None,
    check: bool,
) -> dict[int, np.ndarray]:
    """What a model makes of the annotated frames of a video: uint8 (H, W) by the number of the frame.

    Args:
        model: the model.
        item: the video.
        size: (H, W) of the frames that the model sees.
        ids: numbers of what its channels show.
        order: in which the frames are shown.
        first_mask: of the first of them.
        full_size: give it the size of the files.
        flip: average with the mirrored video.
        reset_every: frames after which the memory is reset.
        check: refuse outputs that are not finite.
    """
    video, found = item["video"], {}
    frames = (video[t] if full_size else resize_frame(video[t], size) for t in order)
    segmented = segment_video(model, frames, size, first_mask, flip, reset_every=reset_every)
    for t, probabilities in zip(order, segmented, strict=True):
        if check:
            check_finite(probabilities, model, item["name"])
        if item["annotated"][t]:
            found[t] = label_map(probabilities, ids).cpu().numpy()
    return found


def shrunk(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (T, H, W) at another size."""
    return F.interpolate(masks.unsqueeze(1), size, mode="nearest-exact").squeeze(1)


def score_folder(
    results: Path,
    data: dict[str, Any],
    *,
    split: str | None = None,
    protocol: Literal["unsupervised", "semi-supervised"] = "semi-supervised",
    stability: bool = False,
    workers: int | None = None,
    output: Path | None = None,
) -> None:
    """Score masks that any method made by the official rules of DAVIS: J, F, J&F and T.

    Args:
        results: folder with <sequence>/<frame>.png: palette or grey, the pixels are numbers of objects.
        data: settings of the data set.
        split: list in ImageSets with the sequences; all: every sequence; null: val, or all without lists.
        protocol: unsupervised or semi-supervised.
        stability: also measure T, which takes much longer.
        workers: processes; null: one per core.
        output: folder of the tables (CSV) and metrics.json; null: that of the results, as with the official tools.

    Raises:
        LstmzooError: a mistake in what was asked for.
        DataError: the folder or the data set cannot be used.
    """
    if protocol not in PROTOCOLS:
        raise LstmzooError(unknown_choice("protocol", protocol, PROTOCOLS))
    if "resolution" not in data:
        raise LstmzooError(
            f"results={results}: masks of objects are scored, and data={data['name']} has classes instead"
        )
    folder = output or results
    root, chosen = Path(data["root"]), split or default_split(Path(data["root"]))
    with making_folder(folder):  # shows before the work is done whether its outcome can be written
        scores = evaluate(
            results,
            root,
            split=chosen,
            year=data["year"],
            resolution=data["resolution"],
            protocol=protocol,
            binary=data["binary"],
            stability=stability,
            workers=workers,
            progress=sys.stderr.isatty(),
        )
    if split is None and chosen == "all":
        print_plain(f"There are no lists in {root / 'ImageSets'}: all sequences are scored")
    console = wide_console()
    console.print(f"{results} on {root}, {chosen}, {protocol}", soft_wrap=True)
    console.print(scores_table(scores))
    files = [*write_official_tables(scores, folder, chosen), folder / "metrics.json"]
    measured = {"results": str(results), "root": str(root), "split": chosen, **stamp()}
    write_json(files[-1], {"protocol": protocol, "split": chosen, **scores.as_dict(), "measured": measured})
    print_plain(f"Written to {folder}: {', '.join(path.name for path in files)}")


def _same_objects(small: Tensor, large: Tensor) -> bool:
    """Whether two masks of one frame show the same objects."""
    return set(small.unique().tolist()) | {0, VOID} == set(large.unique().tolist()) | {0, VOID}


def _leave_out_late(truth: np.ndarray, ids: list[int], name: str) -> np.ndarray:
    """Remove objects that the first mask does not show from masks (N, H, W), and warn of it."""
    late = sorted(set(np.unique(truth).tolist()) - {0, VOID, *ids})
    if late:
        warnings.warn(
            f"{name}: the first mask, which is all that the model is given, does not show the objects {listed(late)}; "
            "they are not scored",
            DataWarning,
            stacklevel=2,
        )
    return np.where(np.isin(truth, late), 0, truth)
