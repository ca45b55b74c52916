"""``lstmzoo eval``: measure a checkpoint; nothing else than the checkpoint and the data is needed."""

from __future__ import annotations

from lstmzoo.cli.usage import with_keys

USAGE = """\
usage: lstmzoo eval ckpt_path=FILE [split=test] [output=FOLDER] [key=value ...]

Measures a checkpoint: accuracy over sequences, over videos, and with shuffled frames; per class and scenario; the
confusion matrix. Everything needed is in the checkpoint; any key of its configuration can be changed.

Keys
{keys}

Examples
  lstmzoo eval ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt
  lstmzoo eval ckpt_path=best.ckpt split=val data.root=/data/kth data.test_clips=8
"""


def run(argv: list[str]) -> None:
    """Evaluate as the arguments say."""
    if not argv or any(argument in ("-h", "--help") for argument in argv):
        print(with_keys(USAGE, "eval"), end="")
        return
    from lstmzoo.cli.request import output_folder, read_request

    request = read_request("eval", argv)
    from lstmzoo.cli.evaluation import evaluate  # mistakes are found before anything heavy is imported

    evaluate(request, output_folder(request.options, f"eval_{request.options.split}"))
