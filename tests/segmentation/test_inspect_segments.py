"""``lstmzoo inspect`` with segmentation models: what is recorded of memory and gates, what is kept when occluded."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_segments import HEIGHT, SIZE, WIDTH, decode, mask, picture, save_checkpoint, write_frames, write_mask

import lstmzoo
from lstmzoo import nn
from lstmzoo.cli import main
from lstmzoo.errors import LstmzooError
from lstmzoo.segmentation.inspect import choose_object
from lstmzoo.segmentation.memory_maps import main_directions
from lstmzoo.segmentation.memory_plots import choose_frames
from lstmzoo.segmentation.recording import memory_layers, record
from lstmzoo.segmentation.retention import (
    find_truth,
    measure_retention,
    occluded_frames,
    stretches,
    surviving_memory,
    vanished_frames,
)
from lstmzoo.segmentation.video_sources import open_video

OCCLUDED = [2, 3]  # frames of `write_sequence`


def build(name: str, **arguments: Any) -> Any:
    torch.manual_seed(0)
    model: Any = lstmzoo.create_model(name, decoder_channels=8, **arguments).eval()
    with torch.no_grad():
        model.decoder.head.weight *= 20
        model.decoder.head.bias.zero_()
    model.transform = {"size": list(SIZE)}
    return model


def small_video(count: int = 6) -> torch.Tensor:
    video = torch.stack([torch.from_numpy(picture(number)) for number in range(count)]).permute(0, 3, 1, 2)
    return F.interpolate(video / 255, SIZE, mode="bilinear", antialias=True)[None]


def small_masks() -> torch.Tensor:
    each = torch.stack([torch.from_numpy(mask(0) == number).float() for number in (3, 7)])[None]
    return F.interpolate(each, SIZE, mode="bilinear", antialias=True)


def write_sequence(root: Path, count: int = 6) -> Path:
    """A sequence of a data set whose object 3 is hidden for some frames; its last frame is not annotated."""
    frames = write_frames(root / "JPEGImages" / "480p" / "square", count)
    for number in range(count - 1):
        ids = mask(number)
        if number in OCCLUDED:
            ids[ids == 3] = 0
        write_mask(root / "Annotations" / "480p" / "square" / f"{number:05d}.png", ids)
    return frames


# what is recorded


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("guided", [False, True])
def test_the_record_is_what_a_trace_of_the_whole_video_holds(tmp_path: Path, dilation: int, guided: bool) -> None:
    model = build("segment_guided" if guided else "segment_recurrent", cell="lstm", dilations=[dilation], levels=[8])
    (layer,) = memory_layers(model)
    first = mask(0) if guided else None
    recording = record(model, open_video(write_frames(tmp_path / "a")), first, layer, 7 if guided else 1)
    with torch.no_grad(), nn.trace(layer.module) as trace:
        model(small_video(), small_masks() if guided else None)

    f, c = (series[0].numpy() for series in (trace.gates["f"], trace.states["c"]))  # (T, K d², C, h, w)
    offset = dilation**2 if guided else 0  # of the second object's grids
    assert recording.memory is not None
    assert recording.keep is not None
    assert recording.memory.shape == (6, 8, 4, 6)
    d = dilation
    for y, x in np.ndindex(4, 6):  # a grid holds every d-th cell
        row = offset + (y % d) * d + x % d
        one_f, one_c = (series[:, row, :, y // d, x // d] for series in (f, c))  # (T, C)
        np.testing.assert_allclose(recording.memory[:, :, y, x], one_c, atol=5e-3)
        np.testing.assert_allclose(recording.keep[:, :, y, x], one_f, atol=5e-3)
        np.testing.assert_allclose(recording.gates["f"][:, y, x], one_f.mean(1), atol=1e-5)
        np.testing.assert_allclose(recording.states["c"][:, y, x], np.abs(one_c).mean(1), atol=1e-5)
    assert recording.signed == {"g"}


@pytest.mark.slow
def test_the_share_that_is_kept_is_the_cells_own_gate(tmp_path: Path) -> None:
    video = open_video(write_frames(tmp_path / "a", 3))
    for cell, gate, sign in (("gru", "z", 1), ("mgu", "f", -1)):
        model = build("segment_recurrent", cell=cell, levels=[16])
        (layer,) = memory_layers(model)
        recording = record(model, video, None, layer, 1)
        assert recording.keep is not None
        expected = recording.gates[gate] if sign > 0 else 1 - recording.gates[gate]
        np.testing.assert_allclose(recording.keep.mean(1, dtype=np.float32), expected, atol=1e-3)
    model = build("segment_recurrent", cell="rnn_tanh", levels=[16])
    recording = record(model, video, None, memory_layers(model)[0], 1)
    assert recording.keep is None
    assert recording.memory is not None


def test_layers_are_listed_as_they_run() -> None:
    model = build("segment_recurrent", dilations=[1, 2], bidirectional=True)
    labels = [layer.label for layer in memory_layers(model)]
    assert labels[:2] == ["stride 16, dilation 1", "stride 16, dilation 1, backwards"]
    assert labels[-1] == "stride 8, dilation 2, backwards"
    assert len(labels) == 8


def test_backwards_layers_are_recorded_too(tmp_path: Path) -> None:
    model = build("segment_recurrent", levels=[16], bidirectional=True)
    layer = memory_layers(model)[1]
    recording = record(model, open_video(write_frames(tmp_path / "a")), None, layer, 1)
    with torch.no_grad(), nn.trace(layer.module) as trace:
        model(small_video())
    assert recording.memory is not None
    np.testing.assert_allclose(recording.memory, trace.states["c"][1][:, 0].numpy(), atol=5e-3)


def test_cells_are_where_the_mask_is(tmp_path: Path) -> None:
    model = build("segment_recurrent", levels=[8])
    recording = record(model, open_video(write_frames(tmp_path / "a", 1)), None, memory_layers(model)[0], 1)
    one = np.zeros((1, *SIZE), bool)
    one[0, 8:16, 16:20], one[0, 31, 39] = True, True
    expected = np.zeros((1, 4, 6))
    expected[0, 1, 2], expected[0, 3, 4] = 0.5, 1 / 64
    np.testing.assert_allclose(recording.cells(one), expected)


# what is kept


def test_surviving_memory_is_the_product_of_the_gates_over_the_objects_cells() -> None:
    memory, keep = np.zeros((6, 2, 1, 3)), np.ones((6, 2, 1, 3))
    memory[:, 0], memory[:, 1] = 3.0, -1.0
    memory[1, :, 0, 0] = (6, -2)  # when last seen
    keep[:, 0, 0, 0], keep[:, 1, 0, 0] = 0.5, 1.0  # the object's cell
    keep[:, :, 0, 1] = 0.1  # half of it is the object's
    cells = np.tile(np.array([[[1.0, 0.5, 0.0]]]), (6, 1, 1))
    hidden = np.array([False, False, True, True, False, True])
    before = 6 + 2 + 0.5 * (3 + 1)
    after = [6 * 0.5**n + 2 + 0.5 * 4 * 0.1**n for n in (1, 2)]
    last = (3 * 0.5 + 1 + 0.5 * 4 * 0.1) / (4 + 0.5 * 4)
    expected = [1, 1, after[0] / before, after[1] / before, 1, last]
    np.testing.assert_allclose(surviving_memory(memory, keep, cells, hidden), expected)
    never_seen = surviving_memory(memory, keep, cells, np.ones(6, bool))
    assert np.isnan(never_seen).all()


def test_what_is_found_with_and_without_memory_is_what_the_network_finds(tmp_path: Path) -> None:
    video = open_video(write_sequence(tmp_path))
    truth = find_truth(video)
    model = build("segment_recurrent", levels=[8])
    with torch.no_grad():
        model.decoder.cores["8"].project.weight *= 30  # so that the memory matters
    recording = record(model, video, None, memory_layers(model)[0], 1)
    kept = measure_retention(model, video, None, recording, truth, 3)
    assert np.flatnonzero(kept.occluded).tolist() == OCCLUDED

    def by_hand(erase: list[int]) -> list[float]:
        """J at the size that the network sees, the state dropped before some frames."""
        state, found = None, []
        for t in range(6):
            with torch.no_grad():
                logits, state = model.step(small_video()[:, t], None if t in erase else state)
            odds = logits.sigmoid() ** 2 / (logits.sigmoid() ** 2 + (1 - logits.sigmoid()) ** 2)  # soft aggregation
            full = F.interpolate(odds, (HEIGHT, WIDTH), mode="bilinear")[0, 0].numpy()
            p, true, other = (
                cv2.resize(one.astype(np.float32), SIZE[::-1], interpolation=cv2.INTER_AREA) > 0.5
                for one in (full, mask(t) == 3, mask(t) == 7)
            )
            marked = p & ~other
            found.append(np.nan if t in (*OCCLUDED, 5) else (marked & true).sum() / (marked | true).sum())
        return found

    assert kept.erased is not None
    np.testing.assert_allclose(kept.found, by_hand([]), atol=1e-6)
    np.testing.assert_allclose(kept.erased, by_hand(OCCLUDED), atol=1e-6)
    assert np.nanmax(np.abs(kept.found - kept.erased)) > 0.01
    true_areas = [((mask(t) == 3) & (t not in OCCLUDED) | (mask(t) == 7)).mean() for t in range(5)]
    assert kept.true_areas is not None
    np.testing.assert_allclose(kept.true_areas, [*true_areas, np.nan], atol=0.01)


def test_erasing_spares_the_previous_mask(tmp_path: Path) -> None:
    model = build("segment_guided", cell="lstm", levels=[16])
    with torch.no_grad():
        _, state = model.step(small_video()[:, 0], None, small_masks())
        erased = model.reset_memory(state)
        expected, _ = model.step(small_video()[:, 1], {**state, "memory": None})
        found, _ = model.step(small_video()[:, 1], erased)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(erased["previous"], state["previous"])
    video = open_video(write_sequence(tmp_path))
    recording = record(model, video, mask(0), memory_layers(model)[0], 3)
    kept = measure_retention(model, video, mask(0), recording, find_truth(video), 3)
    assert kept.alone
    assert kept.erased is not None
    before = np.arange(6) < OCCLUDED[0]
    np.testing.assert_array_equal(kept.erased[before], kept.found[before])


def test_the_truth_beside_a_sequence_is_found(tmp_path: Path) -> None:
    frames = write_sequence(tmp_path)
    video = open_video(frames)
    truth = find_truth(video)
    assert truth is not None
    assert truth.objects() == [3, 7]
    assert np.flatnonzero(occluded_frames(truth, video, 3)).tolist() == OCCLUDED
    assert not occluded_frames(truth, video, 7).any()
    assert choose_object(None, video, None, truth) == 3
    assert choose_object(7, video, None, truth) == 7
    with pytest.raises(LstmzooError, match=r"5 in square.* 3, 7"):
        choose_object(5, video, None, truth)

    said = {"square": {"visible": {"7": [1, 0.6, 0.4, 0.0, 0.7, 1], "3": [1] * 6}}}  # the data set's own word counts
    (tmp_path / "occlusions.json").write_text(json.dumps(said))
    truth = find_truth(video)
    assert truth is not None
    assert np.flatnonzero(occluded_frames(truth, video, 7)).tolist() == [2, 3]
    assert choose_object(None, video, None, truth) == 7
    assert find_truth(open_video(write_frames(tmp_path / "alone"))) is None


def test_without_truth_an_object_is_hidden_when_it_is_no_longer_found() -> None:
    areas = np.array([0, 0, 0.1, 0.12, 0.001, 0, 0.11, 0.1])
    assert np.flatnonzero(vanished_frames(areas)).tolist() == [4, 5]
    assert not vanished_frames(np.zeros(4)).any()
    assert list(stretches(vanished_frames(areas))) == [(4, 5)]


# pictures


def test_the_main_directions_are_the_channels_that_vary_most() -> None:
    rng = np.random.default_rng(0)
    red, green, blue = (rng.permutation(400.0 * np.arange(4 * 25) / 100).reshape(4, 5, 5) for _ in range(3))
    memory = np.zeros((4, 6, 5, 5), np.float32)
    memory[:, 4], memory[:, 1], memory[:, 0] = red, green / 4, -blue / 16
    memory[:, 3] = np.arange(4)[:, None, None] * 1000  # the same all over the frame
    colours = main_directions(memory).astype(float)
    for channel, values in enumerate((red, green)):
        correlation = np.corrcoef((values - values.mean((1, 2), keepdims=True)).ravel(), colours[..., channel].ravel())
        assert correlation[0, 1] > 0.95
    assert abs(np.corrcoef(np.arange(4).repeat(25), colours[..., 0].ravel())[0, 1]) < 0.05


def test_the_sheet_shows_what_is_before_within_and_after_the_first_occlusion() -> None:
    hidden = np.zeros(40, bool)
    hidden[13:17] = True
    chosen = choose_frames(hidden)
    assert {12, 14, 17} <= set(chosen)
    assert {0, 39} <= set(chosen)
    assert len(chosen) == 8
    assert chosen == sorted(chosen)
    assert choose_frames(np.zeros(3, bool)) == [0, 1, 2]
    assert choose_frames(np.ones(1, bool)) == [0]


def inspect(checkpoint: Path, *arguments: object) -> int:
    return main(["inspect", f"ckpt_path={checkpoint}", *map(str, arguments), "device=cpu"])


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "dilations": ("segment_recurrent", {"dilations": [1, 2], "cell": "gru"}),
    "both ways": ("segment_recurrent", {"bidirectional": True}),
    "tanh": ("segment_recurrent", {"cell": "rnn_tanh"}),
    "no memory": ("segment_framewise", {}),
    "guided": ("segment_guided", {"cell": "lstm"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_inspect_writes_pictures_a_video_and_a_table(tmp_path: Path, case: str, capsys: Any) -> None:
    name, arguments = CASES[case]
    checkpoint = save_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt", name, **arguments)
    frames = write_sequence(tmp_path / "davis")
    more = [f"first_mask={tmp_path / 'davis' / 'Annotations' / '480p'}"] if case == "guided" else []
    assert inspect(checkpoint, f"input={frames}", *more) == 0
    output = tmp_path / "run" / "inspect_square"
    assert {path.name for path in output.iterdir()} == {"memory.png", "memory.mp4", "retention.png", "retention.csv"}
    for picture_name in ("memory.png", "retention.png"):
        drawn = cv2.imread(str(output / picture_name))
        assert min(drawn.shape[:2]) > 300
        assert len(np.unique(drawn.reshape(-1, 3) @ [1, 256, 65536])) > 200  # colours
    assert len(decode(output / "memory.mp4")[0]) == 6
    with open(output / "retention.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["frame"] for row in rows] == [f"{number:05d}" for number in range(6)]
    assert [int(row["occluded"]) for row in rows] == [0, 0, 1, 1, 0, 0]
    assert bool(rows[4]["J_erased"]) == (case not in ("no memory", "both ways"))
    assert bool(rows[3]["surviving"]) == (case not in ("no memory", "tanh"))
    out = capsys.readouterr().out
    assert "00002 to 00003" in out


def test_inspect_a_video_without_truth(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "a.ckpt", "segment_recurrent")
    frames = write_frames(tmp_path / "clip")
    assert inspect(checkpoint, f"input={frames}", f"output={tmp_path / 'out'}", "max_frames=3", "layer=0") == 0
    with open(tmp_path / "out" / "retention.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all(row["true_area"] == "" and 0 <= float(row["probability"]) <= 1 for row in rows)


MISTAKES = {
    "input=missing": ["missing"],
    "input=clip layer=2": ["layer 2", "0 (stride 16), 1 (stride 8)"],
    "input=clip object=4": ["object 4", "clip"],
    "input=clip first_mask=first.png": ["first_mask", "segment_guided"],
    "input=clip max_frames=0": ["max_frames", "0"],
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_mistakes_of_inspect_are_one_message(tmp_path: Path, arguments: str, capsys: Any) -> None:
    checkpoint = save_checkpoint(tmp_path / "a.ckpt", "segment_recurrent")
    write_frames(tmp_path / "clip", 2)
    write_mask(tmp_path / "first.png", mask(0))
    words = [
        f"{key}={tmp_path / value if key in ('input', 'first_mask') else value}"
        for key, _, value in (word.partition("=") for word in arguments.split())
    ]
    assert inspect(checkpoint, *words, f"output={tmp_path / 'out'}") == 2
    said = capsys.readouterr().err
    assert all(part in said for part in MISTAKES[arguments])
    assert not (tmp_path / "out").exists()
