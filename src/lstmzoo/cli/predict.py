"""``lstmzoo predict``: use a checkpoint on one's own videos or pictures."""

from __future__ import annotations

from lstmzoo.cli.usage import check_words, with_keys

USAGE = """\
usage: lstmzoo predict ckpt_path=FILE input=... [output=FOLDER] [key=value ...]

With a network for actions: slides over a video, a folder of videos or a camera and names what it sees: labels over
time as CSV, an annotated video, and a summary.

{keys}

With a captioner: puts an image, a folder of images or those of a list into words: captions.json, contact sheet.

{captioning}

With a segmenter: marks objects in every frame of a video, frame by frame: masks (PNG with the palette of DAVIS), the
video with the masks painted in, and predictions.json with areas, speed and memory.

{segmentation}

Examples
  lstmzoo predict ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt input=walking.avi output=out
  lstmzoo predict ckpt_path=best.ckpt input=my_videos stride=2 video=none
  lstmzoo predict ckpt_path=best.ckpt input=0 max_frames=500        the first camera
  lstmzoo predict ckpt_path=runs/captions_updown/<date> input=my_pictures num_captions=3
  lstmzoo predict ckpt_path=runs/segment_recurrent/<date> input=street.mp4
  lstmzoo predict ckpt_path=runs/segment_guided/<date> input=frames first_mask=frames_first.png
  lstmzoo predict ckpt_path=best.ckpt input=data/davis split=val submission=true video=none
"""


def run(argv: list[str]) -> None:
    """Predict as the arguments say, in the way of the checkpoint's task.

    Args:
        argv: overrides of the task's ``configs/predict*.yaml``.

    Raises:
        LstmzooError: a mistake in what was asked for; a single input that cannot be read.
        SystemExit: with code 1 if some of several inputs could not be read; the others are done.
    """
    if not argv or any(argument in ("-h", "--help") for argument in argv):
        text = with_keys(USAGE, "predict")
        text = with_keys(text, "predict_captioning", "{captioning}")
        print(with_keys(text, "predict_segmentation", "{segmentation}"), end="")
        return
    check_words("predict", argv)
    from lstmzoo.cli import tasks

    tasks.of_checkpoint(argv, "predict").predict(argv)
