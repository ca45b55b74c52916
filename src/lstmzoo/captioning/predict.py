"""``lstmzoo predict`` for captioners: captions of images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from lstmzoo.captioning.caption_plots import MOST, contact_sheet
from lstmzoo.captioning.data.square_images import read_thumbnail
from lstmzoo.captioning.decoding_options import CaptionOptions
from lstmzoo.captioning.inference import caption_files, find_images, suffixes_of, text_of
from lstmzoo.captioning.models.decode import Sentence
from lstmzoo.captioning.results import image_ids, write_results
from lstmzoo.io.terminal import print_plain
from lstmzoo.training.predictor import Predictor


class ImageInput(NamedTuple):
    """An image file; its name is its path as far as it tells it from the others."""

    name: str
    path: Path


@dataclass(frozen=True)
class Captioned:
    """An image file with its sentences, the best first."""

    name: str
    path: Path
    sentences: Sequence[Sentence]
    texts: Sequence[str]
    ended_by: KeyboardInterrupt | None = None


class CaptionPredictor(CaptionOptions, Predictor[ImageInput, Captioned]):
    """Writes captions.json (COCO's form of results) and contact_sheet.png.

    Args:
        **options: those of `CaptionOptions`.
    """

    noun: ClassVar[str] = "images"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._skipped: list[Path] = []

    def find(self, wanted: str, output: Path) -> Sequence[ImageInput]:
        """Find an image, the images in a folder and its subfolders, or those of a .txt list of paths."""
        paths = find_images(wanted, self._skipped)
        return [ImageInput(name, path) for name, path in zip(image_ids(paths), paths, strict=True)]

    def use(self, model: Any) -> None:
        self.model = self.with_ensemble(model)
        self.decoding = self.decoding_for(self.model)

    def predict(self, item: ImageInput, output: Path, *, alone: bool) -> Captioned:
        ((_, sentences),) = caption_files(self.model, item.path, self.decoding)
        return self._captioned(item, sentences)

    def predict_all(self, items: Sequence[ImageInput], output: Path, failures: dict[str, str]) -> Iterator[Captioned]:
        if len(items) == 1:
            yield self.predict(items[0], output, alone=True)
            return
        by_path = {item.path: item for item in items}
        errors: dict[Path, str] = {}
        try:
            for path, sentences in caption_files(self.model, list(by_path), self.decoding, failures=errors):
                yield self._captioned(by_path[path], sentences)
        finally:  # also where it is stopped
            failures |= {by_path[path].name: text for path, text in errors.items()}

    def _captioned(self, item: ImageInput, sentences: Sequence[Sentence]) -> Captioned:
        return Captioned(*item, sentences, [text_of(sentence, self.model.words) for sentence in sentences])

    def finish(self, outcomes: Sequence[Captioned], failures: Mapping[str, str], output: Path) -> Sequence[str]:
        for one in outcomes:
            for number, text in enumerate(one.texts):
                print_plain(f"{' ' * len(one.path.name)}  {text}" if number else f"{one.path.name}: {text}")
        if self._skipped:
            print_plain(f"Other files, which were skipped: {suffixes_of(self._skipped)}")
        if not outcomes:
            return []
        write_results(output / "captions.json", [_entry(one) for one in outcomes])
        shown = outcomes[:MOST]
        contact_sheet(
            [read_thumbnail(one.path) for one in shown],
            [one.texts for one in shown],
            output / "contact_sheet.png",
            names=[one.name for one in shown],
            title=f"The first {MOST} of {len(outcomes)} images" if len(outcomes) > MOST else "Captions",
        )
        return ["captions.json", "contact_sheet.png"]


def _entry(one: Captioned) -> dict[str, Any]:
    return {
        "image_id": one.name,
        "caption": one.texts[0],
        "captions": list(one.texts),
        "log_probability": [round(sum(sentence.log_probs), 4) for sentence in one.sentences],
        "path": str(one.path),
    }
