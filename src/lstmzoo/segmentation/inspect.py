"""``lstmzoo inspect`` for segmenters: maps of memory and gates, and what is kept of an object that is hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from lstmzoo.config.compose import compose
from lstmzoo.runs.device import load_model
from lstmzoo.runs.request import output_folder
from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import csv_file
from lstmzoo.io.terminal import print_plain
from lstmzoo.segmentation.memory_maps import map_rows
from lstmzoo.segmentation.memory_plots import memory_sheet, memory_video
from lstmzoo.segmentation.recording import MemoryFilm, choose_layer, film_memory
from lstmzoo.segmentation.retention import Retention, Truth, find_truth, hidden_frames, measure_retention
from lstmzoo.segmentation.retention_plot import retention_curves, stretches
from lstmzoo.segmentation.segment import check_model, objects_of
from lstmzoo.segmentation.video_sources import Footage, open_footage, read_first_mask


def run(argv: list[str]) -> None:
    """Draw ``memory.png``, ``memory.mp4`` and ``retention.png`` for one video, and write ``retention.csv``.

    Args:
        argv: overrides of ``configs/inspect_segmentation.yaml``.

    Raises:
        LstmzooError: a mistake in what was asked for; a video or checkpoint that cannot be used.
    """
    options = compose("inspect_segmentation", argv)
    footage = open_footage(Path(str(options.input)).expanduser(), options.max_frames)
    model = load_model(options.ckpt_path, options.device)
    check_model(model, options.first_mask is not None)
    first_mask = (
        None if options.first_mask is None else read_first_mask(Path(str(options.first_mask)).expanduser(), footage)
    )
    layer, truth = choose_layer(model, options.layer), find_truth(footage)
    number = choose_object(options.object, model, footage, first_mask, truth)
    film = film_memory(model, footage, first_mask, layer, number if model.guided else 1)
    kept = measure_retention(model, footage, first_mask, film, truth, number)
    draw(model, options, footage, film, kept)
    say(film, kept)


def choose_object(
    wanted: int | None, model: Any, footage: Footage, first_mask: np.ndarray | None, truth: Truth | None
) -> int:
    """Choose the object that is looked at: the one asked for, or the one that is hidden for most frames.

    Raises:
        LstmzooError: there is no such object.
    """
    known = objects_of(first_mask)
    if first_mask is None and truth is not None:  # found as foreground, but told apart by the truth
        known = truth.objects() or known
    if wanted is not None:
        if wanted not in known:
            raise LstmzooError(f"there is no object {wanted} in {footage.name}; it has {', '.join(map(str, known))}")
        return wanted
    if truth is None:
        return known[0]
    return max(known, key=lambda number: hidden_frames(truth, footage, number).sum())


def draw(model: Any, options: DictConfig, footage: Footage, film: MemoryFilm, kept: Retention) -> None:
    """Write the pictures, the video and the table."""
    output = output_folder(options, f"inspect_{footage.name}")
    cell = model.model_args.get("cell")
    title = f"{model.model_name}{f', {cell}' if cell else ''}"
    source = f"{footage.name}, object {kept.number}, {len(film.names)} frames"
    where = f"{source}  ·  {film.layer.label}" if film.layer else source
    rows = map_rows(film)
    written = [
        memory_sheet(film, rows, kept.hidden, output / "memory.png", title=title, subtitle=where),
        memory_video(film, rows, kept.hidden, output / "memory.mp4", min(footage.rate, 12.0), title=title),
        retention_curves(film, kept, output / "retention.png", title=title, subtitle=where),
        write_table(film, kept, output / "retention.csv"),
    ]
    print_plain(f"Written to {output}: {', '.join(path.name for path in written)}")


def write_table(film: MemoryFilm, kept: Retention, path: Path) -> Path:
    """Write the curves as CSV, one line per frame; empty where nothing was measured."""
    columns = {
        "area": kept.areas,
        "true_area": kept.true_areas,
        kept.measure: kept.found,
        f"{kept.measure}_erased": kept.erased,
        "kept_inside": kept.inside,
        "kept_outside": kept.outside,
        "surviving": kept.surviving,
    }
    with csv_file(path, ["frame", "hidden", *columns]) as write:
        for t, name in enumerate(film.names):
            values = ["" if one is None or np.isnan(one[t]) else f"{one[t]:.5f}" for one in columns.values()]
            write([name, int(kept.hidden[t]), *values])
    return path


def say(film: MemoryFilm, kept: Retention) -> None:
    """Print what was found: how much of the memory survived, and what it was worth."""
    if film.layer is None:
        print("This network has no recurrent memory: there are no states and gates to draw")
    for first, last in stretches(kept.hidden):
        words = f"Object {kept.number} is hidden in frames {film.names[first]} to {film.names[last]}"
        if kept.surviving is not None and not np.isnan(kept.surviving[last]):
            words += f"; {kept.surviving[last]:.0%} of what its cells held survives"
        after = last + 1
        if after < len(film.names) and not np.isnan(kept.found[after]):
            words += f"; {kept.measure} afterwards {kept.found[after]:.2f}"
            if kept.erased is not None:
                words += f", with the memory erased {kept.erased[after]:.2f}"
        print_plain(words)
