"""The page of masks: what is painted over the first frame of a video is followed through the others."""

from pathlib import Path
from typing import Any

import cv2
import gradio
import numpy as np

from lstmzoo.app.models import loaded
from lstmzoo.app.playable import playable
from lstmzoo.app.requests import MAX_FRAMES, ONE_AT_A_TIME, answering, new_folder
from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import replacing
from lstmzoo.io.video_stream import Stream
from lstmzoo.segmentation.predict import SegmentationPredictor


def page(place: str) -> None:
    """Lay out the page.

    Args:
        place: the checkpoint, run folder or name of a model that is guided by masks.
    """
    with gradio.Row():
        with gradio.Column():
            video = gradio.File(label=f"A video; its first {MAX_FRAMES} frames are looked at")
            editor = gradio.ImageEditor(
                label="Paint over what is to be followed",
                sources=(),
                transforms=(),
                layers=False,
                brush=gradio.Brush(colors=["#e69f00"], color_mode="fixed", default_size=24),
            )
            button = gradio.Button("Follow", variant="primary")
        shown = gradio.Video(label="What was followed", interactive=False)

    @answering
    def open_video(path: str | None) -> Any:
        return None if path is None else first_frame(Path(path))

    @answering
    def follow(path: str | None, painted: Any) -> str:
        if path is None or painted is None:
            raise LstmzooError("give a video first")
        return followed(place, Path(path), painted_mask(painted))

    video.change(open_video, [video], [editor], **ONE_AT_A_TIME)
    button.click(follow, [video, editor], [shown], **ONE_AT_A_TIME)


def first_frame(video: Path) -> np.ndarray:
    """The first frame of a video, (H, W, 3) uint8 RGB."""
    with Stream(video, max_frames=1) as stream:
        image, _ = next(iter(stream.timed()))
    return image[..., ::-1]


def painted_mask(painted: dict[str, Any]) -> np.ndarray:
    """Where the editor's layers were painted on, (H, W) uint8, 0 or 1."""
    alphas = [np.asarray(layer)[..., 3] for layer in painted["layers"]]
    if not any(alpha.any() for alpha in alphas):
        raise LstmzooError("nothing is painted yet: paint over what is to be followed")
    return (np.max(alphas, axis=0) > 127).astype(np.uint8)


def followed(place: str, video: Path, mask: np.ndarray) -> str:
    """Follow what a mask of the first frame shows; the video with the masks painted in."""
    output = new_folder()
    height, width = first_frame(video).shape[:2]
    first_mask = output / "first_mask.png"
    with replacing(first_mask) as temporary:
        cv2.imwrite(str(temporary), cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST))
    predictor = SegmentationPredictor(first_mask=first_mask, max_frames=MAX_FRAMES)
    (item,) = predictor.find(str(video), output)
    predictor.use(loaded(place))
    predictor.predict(item, output, alone=True)
    return str(playable(output / f"{item.name}_overlay.mp4"))
