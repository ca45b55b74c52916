"""Captioners: captions per second of decoding, many images together and one by one."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lstmzoo.bench.arguments import chosen
from lstmzoo.bench.timing import interleaved
from lstmzoo.captioning.models.decode import Decoding, decode
from lstmzoo.models import create_model, list_models

REGIONS, CHANNELS = 49, 1280  # of an image's features, as EfficientNet-Lite0 gives them
VOCABULARY = 2540  # words of Flickr8k that occur five times or more


def bench_captions(
    models: Sequence[str] = (), images: int = 32, words: int = 12, repeats: int = 3
) -> Iterator[dict[str, Any]]:
    """Captions per second, many images together against one by one.

    Args:
        models: captioners; all if none are named.
        images: images decoded together.
        words: length of every caption.
        repeats: measurements, of which the median counts.

    Yields:
        One row per model and way of decoding: captions per second together and one by one, and their ratio.
    """
    models = chosen(models, list_models("caption_*"))
    features = torch.randn(images, REGIONS, CHANNELS)
    ways = {"greedy": Decoding("greedy", max_length=words), "beam 3": Decoding("beam", num_beams=3, max_length=words)}
    rivals = {}
    for name in models:
        model: Any = create_model(name, vocab_size=VOCABULARY, encoder="small").eval()
        model.project[0] = torch.nn.Linear(CHANNELS, model.project[0].out_features)
        for way, decoding in ways.items():
            rivals[name, way, "together"] = partial(_together, model, features, decoding)
            rivals[name, way, "one by one"] = partial(_one_by_one, model, features, decoding)
    labels = {" ".join(key): function for key, function in rivals.items()}
    seconds = interleaved(labels, repeats, time.perf_counter)
    for name in models:
        for way in ways:
            together, single = (images / seconds[f"{name} {way} {kind}"] for kind in ("together", "one by one"))
            yield {
                "model": name,
                "decoding": way,
                "together_per_s": together,
                "one_by_one_per_s": single,
                "times_as_fast": together / single,
            }


def _together(model: Any, features: Tensor, decoding: Decoding) -> None:
    with torch.inference_mode():
        decode(model, features, decoding)


def _one_by_one(model: Any, features: Tensor, decoding: Decoding) -> None:
    with torch.inference_mode():
        for image in features.split(1):
            decode(model, image, decoding)
