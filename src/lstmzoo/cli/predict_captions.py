"""``lstmzoo predict`` for captioners: sentences for pictures."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmzoo.errors import DataError, printable

if TYPE_CHECKING:
    from lstmzoo.captioning.models.decode import Sentence


def run(argv: list[str]) -> None:
    """Write captions.json and contact_sheet.png, and print the sentences.

    Args:
        argv: overrides of ``configs/predict_captioning.yaml``.

    Raises:
        LstmzooError: a mistake in what was asked for; a single picture that cannot be read.
        KeyboardInterrupt: it was stopped; what was done until then is written.
        SystemExit: with code 1 if some of several pictures could not be read; the others are done.
    """
    from lstmzoo.captioning.inference import caption_files, find_pictures, suffixes_of, text_of
    from lstmzoo.cli.caption_options import decoding_of, speaker_of
    from lstmzoo.config.compose import compose
    from lstmzoo.io.progress import progress_bar
    from lstmzoo.io.terminal import print_plain

    config = compose("predict_captioning", argv)
    decoding = decoding_of(config)
    output = Path(str(config.output)).expanduser()
    left_out: list[Path] = []
    pictures = find_pictures(str(config.input), left_out)
    speaker = speaker_of(config)
    done: dict[Path, list[Sentence]] = {}
    failures: list[DataError] = []
    several = len(pictures) > 1
    stopped: KeyboardInterrupt | None = None
    with (
        progress_bar("captioning", len(pictures), "pictures") if several else nullcontext(lambda step: None) as advance
    ):
        try:
            for path, found in caption_files(speaker, pictures, decoding, failures=failures if several else None):
                done[path] = found
                advance(1)
            advance(len(failures))
        except KeyboardInterrupt as stop:  # what is done is kept
            stopped = stop
    sentences = {path: [text_of(sentence, speaker.words) for sentence in found] for path, found in done.items()}
    for path, texts in sentences.items():
        for number, text in enumerate(texts):
            print_plain(f"{' ' * len(path.name)}  {text}" if number else f"{path.name}: {text}")
    if done:
        _write(output, done, sentences)
    written = f"Written to {output}: captions.json, contact_sheet.png" if done else "Nothing was written"
    print(f"{len(done)} of {len(pictures)} pictures done. {written}")
    if left_out:
        print(printable(f"Other files, which were left out: {suffixes_of(left_out)}"))
    for error in failures:
        print_plain(f"lstmzoo: {error}", error=True)
    if stopped is not None:
        raise stopped
    if failures:
        sys.exit(1)


def _write(output: Path, done: dict[Path, Any], sentences: dict[Path, list[str]]) -> None:
    from lstmzoo.captioning.data.images import read_thumbnail
    from lstmzoo.captioning.plots import MOST, contact_sheet
    from lstmzoo.cli.caption_results import image_ids, write_results

    names = image_ids(list(sentences))
    entries = [
        {
            "image_id": name,
            "caption": texts[0],
            "captions": texts,
            "log_probability": [round(sum(sentence.log_probs), 4) for sentence in done[path]],
            "path": str(path),
        }
        for (path, texts), name in zip(sentences.items(), names, strict=True)
    ]
    write_results(output / "captions.json", entries)
    shown = list(sentences)[:MOST]
    contact_sheet(
        [read_thumbnail(path) for path in shown],
        [sentences[path] for path in shown],
        output / "contact_sheet.png",
        names=names[:MOST],
        title=f"The first {MOST} of {len(sentences)} pictures" if len(sentences) > MOST else "Captions",
    )
