"""``lstmzoo eval``: measure a checkpoint; nothing else than the checkpoint and the data is needed."""

from __future__ import annotations

from pathlib import Path

from lstmzoo.cli.usage import check_words, with_keys
from lstmzoo.errors import LstmzooError

USAGE = """\
usage: lstmzoo eval ckpt_path=FILE [split=test] [output=FOLDER] [key=value ...]
       lstmzoo eval results=FILE data=NAME data.root=FOLDER [split=test]
       lstmzoo eval results=FOLDER data=davis data.root=FOLDER [split=val] [protocol=unsupervised]

Measures a checkpoint. Actions: accuracy over sequences, over videos, and with shuffled frames; per class and scenario;
the confusion matrix. Captions: BLEU-1 to 4, METEOR, ROUGE-L and CIDEr-D. Segmentation: J and F of every sequence, the
worst and the best frames. Everything needed is in the checkpoint; any key of its configuration can be changed.

{keys}

With results, a file: scores captions that any method made, in COCO's form of results.

{results}

With results, a folder: scores masks that any method made by the official rules of DAVIS: J, F, J&F, T.

{masks}

Examples
  lstmzoo eval ckpt_path=runs/kth_lstm/<date>/checkpoints/best.ckpt
  lstmzoo eval ckpt_path=best.ckpt split=val data.root=/data/kth data.test_clips=8
  lstmzoo eval ckpt_path=runs/captions_updown/<date> split=val task.decoding.beam_size=5
  lstmzoo eval ckpt_path=a.ckpt task.ensemble=[b.ckpt,c.ckpt]
  lstmzoo eval ckpt_path=runs/segment_recurrent/<date> split=val task.flip_test=true
  lstmzoo eval results=captions.json data=flickr8k data.root=data/flickr8k
  lstmzoo eval results=masks data=davis data.root=data/davis protocol=unsupervised
"""


def run(argv: list[str]) -> None:
    """Evaluate as the arguments say."""
    if not argv or any(argument in ("-h", "--help") for argument in argv):
        text = with_keys(with_keys(USAGE, "eval"), "eval_results", "{results}")
        print(with_keys(text, "eval_masks", "{masks}"), end="")
        return
    check_words("eval", argv)
    results = next((argument.partition("=")[2] for argument in argv if argument.startswith("results=")), None)
    if results is not None:
        _score(Path(results.strip("'\"")).expanduser(), argv)
        return
    from lstmzoo.runs.request import measured_folder, read_request

    request = read_request("eval", argv)
    from lstmzoo.runs.evaluate import evaluate  # mistakes are found before anything heavy is imported

    evaluate(request, measured_folder(request, f"eval_{request.options.split}"))


def _score(results: Path, argv: list[str]) -> None:
    """Score what any method made: a folder of masks or a file of captions."""
    if results.is_dir():
        from lstmzoo.cli.mask_results import score_folder

        score_folder(argv)
    elif results.exists():
        from lstmzoo.cli.caption_results import score_file

        score_file(argv)
    else:
        raise LstmzooError(f"results={results}: there is no such file of captions or folder of masks")
