"""What a memory study found: tables, figures and a page."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstmzoo.io.atomic import csv_file, write_atomically
from lstmzoo.study.bootstrap import interval
from lstmzoo.study.memory_figures import draw_accuracy, draw_gradients

COLUMNS = ("task", "cell", "distance", "seed", "accuracy", "parameters", "steps", "lr")
"""What study.json and study.csv say of every network first."""

MORE = ("score", "mse", "hidden_size", "seconds")

KNOWN = 0.95
"""The score, averaged over seeds, from which on a distance counts as solved."""


def write(found: Sequence[Mapping[str, Any]], folder: Path) -> list[str]:
    """Write everything about a study into its folder.

    Args:
        found: what `lstmzoo.study.memory.study_memory` returns.
        folder: where to.

    Returns:
        The names of the files.
    """
    rows = [{key: one[key] for key in (*COLUMNS, *MORE)} for one in found]
    write_atomically(folder / "study.json", "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    with csv_file(folder / "study.csv", [*COLUMNS, *MORE]) as write_row:
        for row in rows:
            write_row(row.values())
    gradients = [{key: one[key] for key in (*COLUMNS[:4], "gradient_before", "gradient_after")} for one in found]
    write_atomically(folder / "gradients.json", json.dumps(gradients) + "\n")
    write_atomically(folder / "study.md", markdown(found))
    draw_accuracy(found, folder / "study.png")
    draw_gradients(found, folder / "gradients.png")
    write_atomically(folder / "report.html", _page(found, folder))
    return ["study.json", "study.csv", "study.md", "study.png", "gradients.json", "gradients.png", "report.html"]


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """Two tables of each task.

    The league, best first: score by distance with its interval, and how far a cell remembers. Then, in the same order,
    the steps that training took, least to most, and where there is one the mean squared error.
    """
    parts = []
    for task in dict.fromkeys(one["task"] for one in found):
        ours = [one for one in found if one["task"] == task]
        head, rows = league(ours)
        parts += [f"**{task}**\n", _table(head, rows), _table(*training([row[0].strip("`") for row in rows], ours))]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def training(cells: Sequence[str], found: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """How long networks were trained, and how large their squared error is, by cell and distance; a head and lines."""
    distances = sorted({one["distance"] for one in found})
    rows = []
    for cell in cells:
        line = [f"`{cell}`"]
        for distance in distances:
            ours = [one for one in found if (one["cell"], one["distance"]) == (cell, distance)]
            steps, errors = sorted(one["steps"] for one in ours), [one["mse"] for one in ours if one["mse"] is not None]
            line.append(_range(steps) + (f", error {np.mean(errors):.2g}" if errors else ""))
        rows.append(line)
    return ["steps of training", *(f"D = {D:,}" for D in distances)], rows


def _range(steps: Sequence[int]) -> str:
    return f"{steps[0]:,}" if steps[0] == steps[-1] else f"{steps[0]:,} to {steps[-1]:,}"


def league(found: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The table of one task.

    Returns:
        Its head, and a line per cell.
    """
    distances = sorted({one["distance"] for one in found})
    rows = []
    for cell in dict.fromkeys(one["cell"] for one in found):
        ours = [one for one in found if one["cell"] == cell]
        scores = {D: [one["score"] for one in ours if one["distance"] == D] for D in distances}
        means = {D: float(np.mean(scores[D])) for D in distances}
        furthest = longest_solved(means)
        lives = [one["half_life"]["longest"] for one in ours if one["distance"] == distances[-1] and one["half_life"]]
        line = [f"`{cell}`", str(round(np.mean([one["parameters"] for one in ours]))), str(furthest or "none")]
        line += [_interval(scores[D]) for D in distances]
        line.append(_steps(float(np.median(lives))) if lives else "no such gate")
        rows.append((furthest or 0, sum(means.values()), line))
    head = ["cell", "parameters", "longest solved", *(f"D = {D:,}" for D in distances), "half-life of its slowest unit"]
    return head, [line for *_, line in sorted(rows, key=lambda row: row[:2], reverse=True)]


def longest_solved(means: Mapping[int, float]) -> int | None:
    """The longest distance that is solved, and all shorter ones too; None if not even the shortest is."""
    longest = None
    for distance in sorted(means):
        if means[distance] < KNOWN:
            break
        longest = distance
    return longest


def _interval(values: Sequence[float]) -> str:
    low, high = interval(values)
    mean = f"{np.mean(values):.2f}"
    return mean if f"{low:.2f}" == f"{high:.2f}" else f"{mean} ({low:.2f} to {high:.2f})"


def _steps(life: float) -> str:
    return "forgets nothing" if life >= 1e6 else f"{life:,.0f} steps"


def _page(found: Sequence[Mapping[str, Any]], folder: Path) -> str:
    """A page with the figures inside."""

    def image(name: str, about: str) -> str:
        data = base64.b64encode((folder / name).read_bytes()).decode()
        return (
            f'<figure><img src="data:image/png;base64,{data}" alt="{about}"><figcaption>{about}</figcaption></figure>'
        )

    tables = []
    for task in dict.fromkeys(one["task"] for one in found):
        head, rows = league([one for one in found if one["task"] == task])
        cells = "".join(f"<th>{html.escape(text)}</th>" for text in head)
        lines = ["".join(f"<td>{html.escape(text.strip('`'))}</td>" for text in row) for row in rows]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        tables.append(f"<h2>{html.escape(task)}</h2><table><tr>{cells}</tr>{body}</table>")
    style = (
        "body{font-family:sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}img{max-width:100%}"
        "table{border-collapse:collapse}td,th{padding:.3rem .7rem;border-bottom:1px solid #d9dde2;text-align:left}"
        "figure{margin:1.5rem 0}figcaption{color:#5b6470}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Memory study</title><style>{style}</style>'
        "<h1>How far back can a network remember?</h1>"
        f"<p>Score: accuracy corrected for chance, 0 for guessing and 1 for all right; mean over "
        f"{len({one['seed'] for one in found})} seeds, with the 95 % interval by bootstrap. "
        f"A distance counts as solved from {KNOWN} on.</p>"
        + image("study.png", "Score against distance; the band is the 95 % interval over seeds.")
        + "".join(tables)
        + image("gradients.png", "How much the answer depends on the input k steps back, relative to the last step.")
        + "</html>\n"
    )
