"""The page of captions: several for an image, and for every word where the model looked and what its gates did."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio
import numpy as np

from lstmzoo.app.models import gate_sliders, gates_of, held, loaded
from lstmzoo.app.requests import ONE_AT_A_TIME, answering, new_folder
from lstmzoo.captioning.caption_plots import looks
from lstmzoo.captioning.data.square_images import read_thumbnail
from lstmzoo.captioning.inference import CaptionTrace, encode_files, trace_caption
from lstmzoo.captioning.models.decode import decoding_of
from lstmzoo.captioning.predict import CaptionPredictor
from lstmzoo.errors import LstmzooError

SHUT, OPEN = 0.1, 0.9  # a gate below and above


def page(place: str) -> None:
    """Lay out the page.

    Args:
        place: the captioner's checkpoint, run folder or name.
    """
    chosen, traced = gradio.State(), gradio.State()
    with gradio.Row():
        with gradio.Column():
            image: Any = gradio.Image(type="filepath", sources=["upload", "clipboard"], label="A photograph")
            # Gradio's opens the file itself, and what is wrong with one would not be said in the page.
            image.preprocess = lambda payload: None if payload is None else payload.path
            count = gradio.Slider(1, 5, 3, step=1, label="Captions")
            controls = gate_sliders(gates_of(loaded(place)))
            button = gradio.Button("Describe", variant="primary")
        with gradio.Column():
            captions = gradio.Radio([], label="Captions: choose one")
            words = gradio.HighlightedText(label="Its words, brighter where it was sure: click one", show_legend=False)
            look = gradio.Image(label="Where it looked", interactive=False)
            table = gradio.Dataframe(headers=["gate", "mean", "units shut", "units open"], label="What its gates did")

    @answering
    def describe(path: str | None, number: int, *held_at: Any) -> tuple[Any, ...]:
        if path is None:
            raise LstmzooError("give an image first")
        found = captions_of(place, Path(path), int(number), held_at)
        texts = [text for text, _ in found]
        asked = path, dict(found), held_at
        # The first caption may be that of the photograph before; so nothing is left to an event of the choice.
        return gradio.Radio(texts, value=texts[0]), asked, *choose(texts[0], asked)

    @answering
    def choose(text: str, state: Any) -> tuple[Any, ...]:
        if state is None or text not in state[1]:
            return None, None, None, None
        path, sentences, held_at = state
        trace = traced_words(place, Path(path), sentences[text], held_at)
        return [*zip(trace.steps, np.nan_to_num(trace.probabilities).tolist(), strict=True)], (path, trace), None, None

    @answering
    def click(state: Any, event: gradio.SelectData) -> tuple[Any, Any]:
        if state is None:
            return None, None
        path, trace = state
        return looked_at(Path(path), trace, event.index), gate_table(trace, loaded(place), event.index)

    shown = [words, traced, look, table]
    button.click(describe, [image, count, *controls], [captions, chosen, *shown], **ONE_AT_A_TIME)
    captions.input(choose, [captions, chosen], shown, trigger_mode="always_last", **ONE_AT_A_TIME)
    words.select(click, [traced], [look, table], **ONE_AT_A_TIME)


def captions_of(place: str, image: Path, count: int, controls: Sequence[Any] = ()) -> list[tuple[str, Any]]:
    """Describe an image: captions with their sentences, the best first."""
    model, output = loaded(place), new_folder()
    method = "mbr" if decoding_of(model).method == "mbr" else "beam"  # greedy search has no second caption
    predictor = CaptionPredictor(method=method, num_beam_groups=None, num_return_sequences=count)
    predictor.use(model)
    (item,) = predictor.find(str(image), output)
    with held(predictor.model, controls):
        found = predictor.predict(item, output, alone=True)
    return [*zip(found.texts, found.sentences, strict=True)]


def traced_words(place: str, image: Path, sentence: Any, controls: Sequence[Any] = ()) -> CaptionTrace:
    """What went on inside the model while it said a sentence."""
    model = loaded(place)
    with held(model, controls):
        return trace_caption(model, encode_files(model, [image]), sentence)


def looked_at(image: Path, trace: CaptionTrace, step: int) -> np.ndarray:
    """The image, bright where the model looked at a step, (H, W, 3) uint8."""
    return looks(trace, read_thumbnail(image))[0][step]


def gate_table(trace: CaptionTrace, model: Any, step: int) -> list[list[str]]:
    """How far gates were open at a step: mean, share of units that were shut, and open; of every member."""
    members, rows = getattr(model, "members", [model]), []
    for number, (member, one) in enumerate(zip(members, trace.members or [trace], strict=True), start=1):
        at = step + len(one.steps) - len(trace.steps)  # some read the image as a word before the first
        if one.trace is None:
            continue
        for name in gates_of(member):
            values = one.trace.gates[name][-1][at].float()
            shares = values.mean(), (values < SHUT).float().mean(), (values > OPEN).float().mean()
            title = f"{name} of member {number}" if trace.members else name
            rows.append([title, *(f"{float(share):.2f}" for share in shares)])
    return rows
