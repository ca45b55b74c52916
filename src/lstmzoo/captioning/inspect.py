"""``lstmzoo inspect`` for captioners: attention and gates, word by word."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstmzoo.captioning.caption_plots import word_by_word
from lstmzoo.captioning.data.square_images import read_thumbnail
from lstmzoo.captioning.decoding_options import CaptionOptions
from lstmzoo.captioning.inference import encode_files, file_key, sentence_of, text_of, trace_caption
from lstmzoo.captioning.models.decode import Sentence, decode
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.io.terminal import print_plain
from lstmzoo.models.outputs import check_scores
from lstmzoo.models.recurrent_layers import check_layer, described, has_memory, layer_names
from lstmzoo.training.predictor import Inspector


class CaptionInspector(CaptionOptions, Inspector):
    """Draws word_by_word.png for an image; of an ensemble also member_1.png, member_2.png, ...

    Args:
        caption: a caption to look at instead of the model's own, e.g. 'a dog runs on the beach'.
        layer: which recurrent layer's gates are drawn; -1 is the last.
        **options: those of `CaptionOptions`.
    """

    def __init__(self, *, caption: str | None = None, layer: int = -1, **options: Any) -> None:
        super().__init__(**options)
        self.caption, self.layer = caption, layer

    def check(self, wanted: Path) -> str:
        read_thumbnail(wanted)
        return wanted.stem

    def draw(self, model: Any, wanted: Path, output: Path) -> Sequence[Path]:
        whole = self.with_ensemble(model)
        members = list(whole.members) if isinstance(whole, Ensemble) else []
        for one in members or [whole]:
            check_layer(one, self.layer)
        features = encode_files(whole, [wanted])
        sentence = self._sentence(whole, features, wanted)
        text, trace = text_of(sentence, whole.words), trace_caption(whole, features, sentence)
        figures = {"word_by_word.png": (whole, trace)}
        for number, pair in enumerate(zip(members, trace.members, strict=True), start=1):
            figures[f"member_{number}.png"] = pair
        shown = read_thumbnail(wanted)
        for name, (one, own) in figures.items():
            about = f"{_name(one)}  ·  {wanted.name}{self._drawn(one)}"
            word_by_word(own, shown, output / name, title=text, subtitle=about, layer=self.layer)
        print_plain(text)
        for one in members or [whole]:
            if not has_memory(one):
                print(f"{one.model_name} has no recurrent memory: there are no gates to draw")
        return [output / name for name in figures]

    def _sentence(self, model: Any, features: Any, path: Path) -> Sentence:
        """The caption that was given, or the model's own."""
        if self.caption is not None:
            return sentence_of(self.caption, model.words)
        (found,) = decode(model, features, self.decoding_for(model), [file_key(path)])
        check_scores([sentence.score for sentence in found], model, path)
        return found[0]

    def _drawn(self, model: Any) -> str:
        """Which cell's gates are drawn, where there are several."""
        names = [] if isinstance(model, Ensemble) else layer_names(model)
        if len(names) < 2:
            return ""
        return f"  ·  gates of layer={self.layer % len(names)}, the cell {names[self.layer].removesuffix('.rnn')!r}"


def _name(model: Any) -> str:
    """What a captioner is, for a heading."""
    if isinstance(model, Ensemble):
        return f"ensemble of {len(model.members)}"
    return described(model)
