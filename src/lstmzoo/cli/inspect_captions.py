"""``lstmzoo inspect`` for captioners: attention and gates, word by word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstmzoo.captioning.data.images import read_thumbnail
from lstmzoo.captioning.inference import encode_files, file_key, replay, sentence_of, text_of
from lstmzoo.captioning.models.decode import decode
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.captioning.plots import word_by_word
from lstmzoo.cli.caption_options import decoding_of, speaker_of
from lstmzoo.config.compose import compose
from lstmzoo.io.terminal import print_plain
from lstmzoo.models.outputs import check_scores
from lstmzoo.models.recurrent_layers import check_layer, has_memory, layer_names
from lstmzoo.runs.request import output_folder


def run(argv: list[str]) -> None:
    """Draw ``word_by_word.png`` for one picture; of an ensemble also ``member_1.png``, ``member_2.png``, ...

    Args:
        argv: overrides of ``configs/inspect_captioning.yaml``.

    Raises:
        LstmzooError: a mistake in what was asked for; a picture or checkpoint that cannot be used.
    """
    config = compose("inspect_captioning", argv)
    decoding, path = decoding_of(config), Path(str(config.input)).expanduser()
    shown = read_thumbnail(path)
    speaker = speaker_of(config)
    members = list(speaker.members) if isinstance(speaker, Ensemble) else []
    for model in members or [speaker]:
        check_layer(model, config.layer)
    features = encode_files(speaker, [path])
    if config.caption is None:
        (said,) = decode(speaker, features, decoding, [file_key(path)])
        check_scores([sentence.score for sentence in said], speaker, path)
        sentence = said[0]
    else:
        sentence = sentence_of(str(config.caption), speaker.words)
    text, spoken = text_of(sentence, speaker.words), replay(speaker, features, sentence)
    output = output_folder(config, f"inspect_{path.stem}")
    pictures = {"word_by_word.png": (speaker, spoken)}
    pictures |= {
        f"member_{number}.png": pair for number, pair in enumerate(zip(members, spoken.members, strict=True), start=1)
    }
    for name, (model, own) in pictures.items():
        about = f"{_name(model)}  ·  {path.name}{_drawn(model, config.layer)}"
        word_by_word(own, shown, output / name, title=text, subtitle=about, layer=config.layer)
    print_plain(text)
    for model in members or [speaker]:
        if not has_memory(model):
            print(f"{model.model_name} has no recurrent memory: there are no gates to draw")
    print_plain(f"Written to {output}: {', '.join(pictures)}")


def _drawn(model: Any, layer: int) -> str:
    """Which cell's gates are drawn, where there are several."""
    names = [] if isinstance(model, Ensemble) else layer_names(model)
    if len(names) < 2:
        return ""
    return f"  ·  gates of layer={layer % len(names)}, the cell {names[layer].removesuffix('.rnn')!r}"


def _name(model: Any) -> str:
    """What a captioner is, for a heading."""
    if isinstance(model, Ensemble):
        return f"ensemble of {len(model.members)}"
    cell = model.model_args.get("cell")
    return f"{model.model_name}, {cell}" if cell else str(model.model_name)
