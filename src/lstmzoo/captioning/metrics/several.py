"""What several captions of an image are worth: how much they differ, and how good the best of them is."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise

from lstmzoo.captioning.metrics.cider import CiderD
from lstmzoo.captioning.metrics.ptb import tokenize_python
from lstmzoo.captioning.metrics.scores import ImageId


def score_several(
    references: Mapping[ImageId, Sequence[str]], captions: Mapping[ImageId, Sequence[str]]
) -> dict[str, float]:
    """Score all captions of each image.

    Args:
        references: what people wrote of each image.
        captions: the captions of each of these images, one or more.

    Returns:
        ``div-n``, the number of different n-grams of an image's captions by that of their words, n = 1 and 2 (Li et al.
        2016, "A diversity-promoting objective function", section 5.2; Vijayakumar et al. 2018, section 5), and
        ``best CIDEr-D``, of the caption that the references like best; means over images.
    """
    known: dict[Hashable, list[list[str]]] = {
        image: [text.split() for text in tokenize_python(list(texts))] for image, texts in references.items()
    }
    cider = CiderD(known)
    rows = []
    for image, texts in captions.items():
        said = [text.split() for text in tokenize_python(list(texts))]
        words = [word for one in said for word in one]
        pairs = {pair for one in said for pair in pairwise(one)}
        best = max(cider(image, one) for one in said)
        rows.append((len({*words}) / max(len(words), 1), len(pairs) / max(len(words), 1), best))
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    return dict(zip(("div-1", "div-2", "best CIDEr-D"), means, strict=True))
