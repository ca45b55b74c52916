"""The field's numbers for captions: BLEU-1 to 4, METEOR, ROUGE-L and CIDEr-D.

They come from the scorers of pycocoevalcap, the official evaluation of COCO captions in Python, over words of the
official tokeniser; see `lstmzoo.captioning.metrics.ptb`. CIDEr-D weighs n-grams by how rare they are in the
references that are evaluated, so all numbers are of a whole set: means over parts of it are other numbers.

Source: Chen et al., "Microsoft COCO captions: data collection and evaluation server", arXiv 1504.00325.
"""

import json
import os
import re
import reprlib
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

from lstmzoo.captioning.metrics import java, ptb
from lstmzoo.captioning.metrics.meteor import meteor
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.io.wording import listed, why_unreadable

METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D")

TOKENIZERS = ("auto", "java", "python")

ImageId = int | str


class Scores(dict[str, float]):
    """The numbers by name: fractions, but for CIDEr-D, which has a scale of its own, 0 to 10."""

    def __init__(self, numbers: Mapping[str, float], tokenizer: str, remark: str) -> None:
        super().__init__(numbers)
        self.tokenizer = tokenizer  # java or python: which tokeniser the words are from
        self.remark = remark  # what a reader of the numbers must know, in a sentence

    def with_gaps(self) -> dict[str, float | None]:
        """Return the numbers of all `METRICS`, None for those that could not be computed; for files of results."""
        return {**dict.fromkeys(METRICS), **self}


def evaluate(
    references: Mapping[ImageId, Sequence[str]],
    hypotheses: Mapping[ImageId, str],
    *,
    tokenizer: str = "auto",
    spice: bool = False,
) -> Scores:
    """Score captions, all images at once.

    White space in captions is normalised first: a line end inside one would shift all that follow in the official
    tokeniser.

    Args:
        references: what people wrote of each image: raw captions, one or more.
        hypotheses: the caption to be scored of each of these images.
        tokenizer: java: the official one; python: `ptb.tokenize_python`, and no Java at all, so that METEOR
            is left out; auto: java where there is Java and it does its work, else python.
        spice: compute SPICE, too; it needs Java, and fetches a parser at its first use.

    Returns:
        The numbers of `METRICS`, METEOR only with the tokeniser in Java, and left out where its program fails;
        `Scores.remark` says how they were made.

    Raises:
        LstmzooError: images with references but no caption or the reverse, no image at all, a reference without words,
            an unknown tokeniser, Java is asked for and missing, or SPICE is asked for and its program fails.
    """
    if tokenizer not in TOKENIZERS:
        raise LstmzooError(f"unknown tokenizer {tokenizer!r}; valid: {', '.join(TOKENIZERS)}")
    _check(references, hypotheses)
    words, tokenizer, troubles = _tokenize([*_all(references), *map(hypotheses.__getitem__, references)], tokenizer)
    said, guessed = _by_image(words, references)
    numbers = _without_java(said, guessed)
    if tokenizer == "java":
        try:
            numbers["METEOR"] = meteor(said, guessed)
        except LstmzooError as error:  # the other numbers are worth having
            troubles.append(f"METEOR is left out: {error}.")
    if spice:
        numbers["SPICE"] = _spice(said, guessed)
    troubles += filter(None, [remark_on_special_tokens(hypotheses.values())])
    ordered = {name: numbers[name] for name in (*METRICS, "SPICE") if name in numbers}
    return Scores(ordered, tokenizer, " ".join([_remark(tokenizer), *troubles]))


def load_results(path: str | os.PathLike[str]) -> dict[ImageId, str]:
    """Read captions in COCO's form of results, ``[{"image_id": 42, "caption": "a dog"}, ...]``, made by any method.

    Raises:
        DataError: no such file, or one that is not of this form; the message names the entry.
    """
    path = Path(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot read the results {path} ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # the latter where lists are nested without end
        raise DataError(f"{path} is not JSON ({why_unreadable(error)})") from error
    if not isinstance(entries, list):
        raise DataError(f'{path} must hold a list [{{"image_id": ..., "caption": "..."}}, ...], not {_kind(entries)}')
    results: dict[ImageId, str] = {}
    for number, found in enumerate(entries):
        place = f"{path}, entry {number}"
        if not isinstance(found, dict) or not {"image_id", "caption"} <= found.keys():
            raise DataError(f"{place} must have 'image_id' and 'caption': {reprlib.repr(found)[:80]}")
        key, caption = found["image_id"], found["caption"]
        if not isinstance(key, (int, str)) or isinstance(key, bool) or not isinstance(caption, str):
            raise DataError(f"{place}: image_id is a number or a name, caption a text: {reprlib.repr(found)[:80]}")
        if key in results:
            raise DataError(f"{place}: image {key!r} has a caption already; give one for each image")
        results[key] = caption
    return results


def match_ids(results: Mapping[ImageId, str], files: Mapping[ImageId, str]) -> dict[ImageId, str]:
    """Call the captions of a results file by the ids of the data set.

    Args:
        results: captions by id: the data set's own ids, as they are or as text, or names of image files, with or
            without folder and suffix.
        files: the file name of each id of the data set.

    Returns:
        The captions by the ids of the data set; ids that are not in it stay as they are.

    Raises:
        DataError: two captions are of one image.
    """
    ids: dict[str, ImageId] = {str(image_id): image_id for image_id in files}
    named: defaultdict[str, list[ImageId]] = defaultdict(list)
    for image_id, name in files.items():
        for called in {name, Path(name).stem}:
            named[called].append(image_id)
    matched: dict[ImageId, str] = {}
    called_before: dict[ImageId, ImageId] = {}
    for key, caption in results.items():
        candidates = named.get(Path(str(key)).name, [])
        image_id = ids.get(str(key), candidates[0] if len(candidates) == 1 else key)
        if image_id in matched:
            raise DataError(
                f"{called_before[image_id]!r} and {key!r} are both the image {image_id!r}; give one caption for each"
            )
        matched[image_id], called_before[image_id] = caption, key
    return matched


def _check(references: Mapping[ImageId, Sequence[str]], hypotheses: Mapping[ImageId, str]) -> None:
    """Refuse what would be scored wrongly."""
    if not references:
        raise LstmzooError("there is nothing to evaluate: no image has references")
    if references.keys().isdisjoint(hypotheses):
        raise LstmzooError(
            f"no caption is of an image of this split: its images are {listed(map(repr, references), 3)}, "
            f"the captions are of {listed(map(repr, hypotheses), 3)}"
        )
    for what, ids in (
        ("have references but no caption", [key for key in references if key not in hypotheses]),
        ("have a caption but no references", [key for key in hypotheses if key not in references]),
    ):
        if ids:
            named = listed(map(repr, ids), 5)
            raise LstmzooError(
                f"{len(ids)} image(s) {what}: {named} ({len(references)} images with references, {len(hypotheses)} "
                "captions); the numbers are of a whole split, so give a caption for each of its images and no other"
            )
    for key, captions in references.items():
        if isinstance(captions, str) or not captions:
            raise LstmzooError(f"the references of image {key!r} are a list of one or more captions, not {captions!r}")
        if not isinstance(hypotheses[key], str):
            raise LstmzooError(f"the caption of image {key!r} is a text, not {_kind(hypotheses[key])}")


def _all(references: Mapping[ImageId, Sequence[str]]) -> list[str]:
    return [caption for captions in references.values() for caption in captions]


def _tokenize(captions: list[str], tokenizer: str) -> tuple[list[str], str, list[str]]:
    """Tokenise everything in one go; also returned are the tokeniser, and what went wrong on the way."""
    if tokenizer == "python" or (tokenizer == "auto" and not java.has_java()):
        return ptb.tokenize_python(captions), "python", []
    try:
        return ptb.tokenize_java(captions), "java", []
    except LstmzooError as error:
        if tokenizer == "java":
            raise
        return ptb.tokenize_python(captions), "python", [f"The official tokeniser failed: {error}."]


def _by_image(
    tokenized: list[str], references: Mapping[ImageId, Sequence[str]]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Part what was tokenised by image again: the references, and the caption that is scored."""
    words = iter(tokenized)
    said = {str(number): [next(words) for _ in captions] for number, captions in enumerate(references.values())}
    for (key, captions), found in zip(references.items(), said.values(), strict=True):
        if "" in found:  # METEOR's program would wait for ever
            raise LstmzooError(
                f"image {key!r} has a reference without words, {captions[found.index('')]!r}; leave it out"
            )
    return said, {key: [next(words)] for key in said}


_NAMES = "unk|unknown|oov|pad|bos|eos|sos|eoc|s|/s|start|end|begin|startseq|endseq|sep|cls|mask|oos|null|blank"
_TOKEN = re.compile(
    rf"<(?:{_NAMES})>|\[(?:unk|pad|cls|sep|mask|bos|eos)\]|<\|\w+\|>|\b(?:startseq|endseq)\b", re.IGNORECASE
)


def remark_on_special_tokens(captions: Iterable[str]) -> str:
    """Name the special tokens that stand in captions, and the remedy, in a sentence; empty where there are none."""
    found = [_TOKEN.findall(caption) for caption in captions]
    number = sum(map(bool, found))
    if not number:
        return ""
    names = ", ".join(name for name, _ in Counter(name for one in found for name in one).most_common(5))
    return (
        f"Warning: {number} of {len(found)} captions hold {names}, which look like special tokens of a captioner and "
        "are scored as words; remove them and score again."
    )


def _without_java(said: dict[str, list[str]], guessed: dict[str, list[str]]) -> dict[str, float]:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    bleu, _ = Bleu(4).compute_score(said, guessed, verbose=0)
    rouge, _ = Rouge().compute_score(said, guessed)
    cider, _ = Cider().compute_score(said, guessed)
    numbers = {f"BLEU-{n}": float(value) for n, value in enumerate(bleu, start=1)}
    return {**numbers, "ROUGE-L": float(rouge), "CIDEr-D": float(cider)}


def _spice(said: dict[str, list[str]], guessed: dict[str, list[str]]) -> float:
    java.java_command()
    try:
        from pycocoevalcap.spice.spice import Spice

        score, _ = Spice().compute_score(said, guessed)
    except (OSError, subprocess.SubprocessError, BadZipFile, ValueError) as error:
        raise LstmzooError(
            f"SPICE failed ({error}): at its first use it downloads a parser, which takes a network, a folder of "
            "pycocoevalcap that can be written to, and 8 GB of memory; the other numbers come without spice"
        ) from error
    return float(score)


def _remark(tokenizer: str) -> str:
    if tokenizer == "java":
        return "Words by the official tokeniser (Stanford PTBTokenizer)."
    words = "Words by lstmzoo's own tokeniser, which follows the official one; no METEOR"
    return f"{words}." if java.has_java() else f"{words}. Both official programs need Java: {java.INSTALL}."


def _kind(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:60]!r}"
