"""The page of actions: a video with its labels over time, and with gates held."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio

from lstmzoo.actions.inspect import ActionInspector
from lstmzoo.actions.predict import ActionPredictor
from lstmzoo.actions.presence import NOBODY
from lstmzoo.app.models import gate_sliders, gates_of, held, loaded
from lstmzoo.app.playable import playable
from lstmzoo.app.requests import MAX_FRAMES, ONE_AT_A_TIME, answering, new_folder
from lstmzoo.errors import LstmzooError


def page(place: str) -> None:
    """Lay out the page.

    Args:
        place: the checkpoint, run folder or name of a model of actions.
    """
    with gradio.Row():
        with gradio.Column():
            video = gradio.File(label=f"A video; its first {MAX_FRAMES} frames are looked at")
            controls = gate_sliders(gates_of(loaded(place)))
            button = gradio.Button("Recognise", variant="primary")
            answer = gradio.Markdown()
        with gradio.Column():
            shown = gradio.Video(label="Its labels", interactive=False)
            curve = gradio.LinePlot(x="seconds", y="probability", color="class", label="Over time", y_lim=[0, 1])
    gates = gradio.Image(label="Its gates over time", interactive=False)

    @answering
    def recognise(path: str | None, *held_at: Any) -> tuple[Any, ...]:
        if path is None:
            raise LstmzooError("give a video first")
        return recognised(place, Path(path), held_at)

    button.click(recognise, [video, *controls], [answer, shown, curve, gates], **ONE_AT_A_TIME)


def recognised(place: str, video: Path, controls: Sequence[Any] = ()) -> tuple[str, str, Any, str]:
    """Recognise what is done in a video: a sentence, the labelled video, probabilities over time, and the gates."""
    from pandas import DataFrame  # comes with gradio

    output = new_folder()
    predictor = ActionPredictor(max_frames=MAX_FRAMES)
    predictor.use(loaded(place))
    (item,) = predictor.find(str(video), output)
    with held(predictor.model, controls):
        found = predictor.predict(item, output, alone=True)
        (drawn,) = ActionInspector(max_frames=MAX_FRAMES // 2).draw(predictor.model, video, output)
    with (output / f"{item.name}_labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [
            {"seconds": float(row["time_s"]), "class": label, "probability": _probability(row, label)}
            for row in csv.DictReader(file)
            for label in (*predictor.model.classes, NOBODY)
        ]
    said = f"**{found.label}**, {found.confidence:.0%} on average over {found.seconds:.1f} s"
    return said, str(playable(output / f"{item.name}_predicted.mp4")), DataFrame(rows), str(drawn)


def _probability(row: dict[str, str], label: str) -> float:
    """Of a label, in a row of the table; where nobody is there, of nobody alone."""
    if NOBODY in (row["label"], label):
        return float(row["label"] == label)
    return float(row[f"p_{label}"])
