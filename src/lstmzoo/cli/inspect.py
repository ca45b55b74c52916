"""``lstmzoo inspect``: look inside a checkpoint, at its mistakes, its attention and its gates."""

from __future__ import annotations

from lstmzoo.cli.usage import check_words, with_keys

USAGE = """\
usage: lstmzoo inspect ckpt_path=FILE [input=FILE] [output=FOLDER] [key=value ...]

With a network for actions, without input: measures it on a split (as lstmzoo eval does, with the same keys) and draws
the confusion matrix, the accuracies of classes and scenarios, and the gates over the frames of one clip. With input:
draws the gates over the frames of that video.

{keys}

With a captioner: draws, word by word, where in the picture it looked and what its gates did.

{captioning}

With a segmenter: draws maps of the memory and its gates over the frames of a video, as a picture and as a video, and
curves of what is found and kept of an object while it is hidden.

{segmentation}

Examples
  lstmzoo inspect ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt
  lstmzoo inspect ckpt_path=best.ckpt split=val clip=12 output=inside
  lstmzoo inspect ckpt_path=best.ckpt input=walking.avi layer=0
  lstmzoo inspect ckpt_path=runs/captions_updown/<date> input=dog.jpg
  lstmzoo inspect ckpt_path=runs/segment_recurrent/<date> input=data/davis_simulated/JPEGImages/480p/test-000
"""


def run(argv: list[str]) -> None:
    """Draw what the arguments ask for, in the way of the checkpoint's task.

    Args:
        argv: overrides of the task's ``configs/inspect*.yaml``.

    Raises:
        LstmzooError: a mistake in what was asked for; an input, data set or checkpoint that cannot be used.
    """
    if not argv or any(argument in ("-h", "--help") for argument in argv):
        text = with_keys(USAGE, "inspect")
        text = with_keys(text, "inspect_captioning", "{captioning}")
        print(with_keys(text, "inspect_segmentation", "{segmentation}"), end="")
        return
    check_words("inspect", argv)
    from lstmzoo.cli import tasks

    tasks.of_checkpoint(argv, "inspect").inspect(argv)
