"""``lstmzoo inspect``: look inside a checkpoint, at its mistakes and at its gates."""

from __future__ import annotations

from pathlib import Path

from lstmzoo.cli.usage import with_keys
from lstmzoo.errors import DataError

USAGE = """\
usage: lstmzoo inspect ckpt_path=FILE [input=VIDEO] [output=FOLDER] [key=value ...]

Without input: measures the checkpoint on a split (as lstmzoo eval does, with the same keys) and draws the confusion
matrix, the accuracies of classes and scenarios, and the gates over the frames of one clip.
With input: draws the gates over the frames of that video.

Keys
{keys}

Examples
  lstmzoo inspect ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt
  lstmzoo inspect ckpt_path=best.ckpt split=val clip=12 output=inside
  lstmzoo inspect ckpt_path=best.ckpt input=walking.avi layer=0
"""


def run(argv: list[str]) -> None:
    """Draw what the arguments ask for.

    Args:
        argv: overrides of ``configs/inspect.yaml``; without ``input`` also those of the checkpoint's configuration.

    Raises:
        LstmzooError: a mistake in what was asked for; a video, data set or checkpoint that cannot be used.
    """
    if not argv or any(argument in ("-h", "--help") for argument in argv):
        print(with_keys(USAGE, "inspect"), end="")
        return
    from lstmzoo.cli.compose import compose
    from lstmzoo.cli.request import output_folder, read_request, split_overrides

    options = compose("inspect", split_overrides("inspect", argv)[0])
    if options.input is None:
        request = read_request("inspect", argv)
        from lstmzoo.cli.inspection import inspect_split

        inspect_split(request, output_folder(options, f"inspect_{options.split}"))
        return
    compose("inspect", argv)  # for a video the stored configuration plays no part: any further key is a mistake
    video = Path(str(options.input)).expanduser()
    if not video.is_file():
        raise DataError(f"input {video} is no video file; give one, or none to look at a clip of the test split")
    from lstmzoo.cli.inspection import inspect_video

    inspect_video(options, video)
