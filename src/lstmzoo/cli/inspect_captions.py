"""``lstmzoo inspect`` for captioners: attention and gates, word by word."""

from __future__ import annotations

from pathlib import Path

import torch

from lstmzoo.cli.compose import compose
from lstmzoo.cli.device import load_model
from lstmzoo.cli.request import output_folder
from lstmzoo.data.captions.images import read_image, read_thumbnail
from lstmzoo.inference.caption_plots import word_by_word
from lstmzoo.inference.captions import device_of, replay, sentence_of, text_of
from lstmzoo.inference.gates import check_layer, has_memory
from lstmzoo.models.captioning.decode import Decoding, decode


def run(argv: list[str]) -> None:
    """Draw ``word_by_word.png`` for one picture.

    Args:
        argv: overrides of ``configs/inspect_captioning.yaml``.

    Raises:
        LstmzooError: a mistake in what was asked for; a picture or checkpoint that cannot be used.
    """
    options = compose("inspect_captioning", argv)
    path = Path(str(options.input)).expanduser()
    shown = read_thumbnail(path)
    model = load_model(options.ckpt_path, options.device)
    check_layer(model, options.layer)
    side = model.encoder.image_size
    image = torch.from_numpy(read_image(path, (side, side)))[None].to(device_of(model))
    with torch.inference_mode():
        features = model.encode(image)
    if options.caption is None:
        sentence = decode(model, features, Decoding(beam_size=options.beam_size))[0][0]
    else:
        sentence = sentence_of(str(options.caption), model.words)
    spoken = replay(model, features, sentence)
    output = output_folder(options, f"inspect_{path.stem}")
    cell = model.model_args.get("cell")
    text = text_of(sentence, model.words)
    picture = word_by_word(
        spoken,
        shown,
        output / "word_by_word.png",
        title=text,
        subtitle=f"{model.model_name}{f', {cell}' if cell else ''}  ·  {path.name}",
        layer=options.layer,
    )
    print(text)
    if not has_memory(model):
        print(f"{model.model_name} has no recurrent memory: there are no gates to draw")
    print(f"Written to {output}: {picture.name}")
