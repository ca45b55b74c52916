"""The benchmarks: that they run, measure what they say, and refuse what they can't."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lstmzoo import nn as zoo
from lstmzoo.bench.cells import PlainLoop, bench_cells, geometric_means
from lstmzoo.bench.conv import loop_of
from lstmzoo.bench.stream import bench_stream, memory_over_time
from lstmzoo.bench.timing import interleaved
from lstmzoo.cli import main
from lstmzoo.errors import LstmzooError
from tiny_data import write_video


def test_medians_of_interleaved_runs_without_the_warm_up() -> None:
    order: list[str] = []
    durations = {"a": [90, 1, 5, 2], "b": [90, 2, 9, 2]}  # the first round is slow
    now = 0

    def run(name: str) -> None:
        nonlocal now
        now += durations[name][order.count(name)]
        order.append(name)

    seconds = interleaved({n: lambda n=n: run(n) for n in "ab"}, 3, clock=lambda: now)
    assert all(set(order[k : k + 2]) == {"a", "b"} for k in (0, 2, 4, 6))  # in turn
    assert len(set(order[::2])) == 2  # and not always in the same order
    assert seconds == {"a": 2, "b": 2}


def test_cells_are_timed_on_one_thread_which_is_given_back() -> None:
    before = torch.get_num_threads()
    (row,) = bench_cells(["gru"], ["3x2x4x5"], repeats=1)
    assert torch.get_num_threads() == before
    assert {"training_vs_nn_lstm", "training_vs_nn_same", "training_vs_loop", "inference_vs_loop"} <= set(row)
    assert row["training_ms"] > 0
    assert row["peak_mb_ours"] > 3 * 2 * (4 * 3 * 4) / 1e6  # at least the pre-activations of all steps


def test_sequences_of_different_lengths_are_timed_against_torchs_modules() -> None:
    (row,) = bench_cells(["gru"], ["6x3x4x5"], repeats=1, lengths=True)
    rivals = {key.partition("_vs_")[2] for key in row if "_vs_" in key}
    assert rivals == {"nn_lstm", "nn_same"}
    assert row["training_ms"] > 0


@pytest.mark.slow
def test_the_plain_loop_computes_what_the_cell_computes() -> None:
    for cell in ("peephole_lstm", "mogrifier_lstm", "depth_gated_lstm"):
        module = zoo.Recurrent(cell, 3, 4)
        x = torch.randn(5, 2, 3)
        torch.testing.assert_close(PlainLoop(module)(x)[0], module(x)[0])


def test_the_loops_of_convolutions_compute_what_the_cells_compute() -> None:
    for cell in ("lstm", "peephole_lstm", "gru"):
        module = zoo.ConvRecurrent(cell, 3, 4, 3)
        x = torch.randn(5, 2, 3, 6, 7)
        torch.testing.assert_close(loop_of(module)(x)[0], module(x)[0])


def test_geometric_means_summarise_a_cell_over_sizes() -> None:
    rows = [{"cell": "a", "inference_vs_nn_lstm": x, "training_vs_nn_lstm": y} for x, y in ((1.0, 4.0), (4.0, 1.0))]
    (mean,) = geometric_means(rows)
    assert mean["inference_vs_nn_lstm"] == pytest.approx(2.0)
    assert mean["training_least"] == 1.0


def test_commands_print_tables_and_write_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_video(tmp_path / "one.avi", 6)
    commands = {
        "cells": ["cells=lstm,gru", "sizes=3x2x4x5", "repeats=1"],
        "conv": ["cells=lstm,gru", "sizes=3x2x4x5x6x7x3", "repeats=1"],
        "captions": ["models=caption_nic", "images=2", "words=3", "repeats=1"],
        "models": ["models=action_rnn", "batch=1", "clip_len=2", "size=32", "repeats=1"],
        "data": [f"root={tmp_path}", "videos=1"],
        "stream": ["models=segment_framewise,segment_guided", "frames=5", "objects=2", "size=40x56", "network=32x48"],
    }
    rows = {}
    for name, options in commands.items():
        target = tmp_path / f"{name}.json"
        assert main(["bench", name, *options, f"json={target}"]) == 0
        rows[name] = json.loads(target.read_text())["rows"]
    shown = capsys.readouterr().out
    assert [row["cell"] for row in rows["cells"]] == ["lstm", "gru"]
    assert all(row[f"{mode}_vs_loop"] > 0 for row in rows["conv"] for mode in ("inference", "training"))
    assert rows["models"][0]["training_clips_per_s"] > 0
    assert [row["decoding"] for row in rows["captions"]] == ["greedy", "beam 3"]
    assert all(row["times_as_fast"] > 0 for row in rows["captions"])
    assert rows["data"][0]["ratio"] == 1
    assert [row["objects"] for row in rows["stream"]] == [1, 2]
    assert all(row["frames_per_s"] > 0 and row["mb_most"] >= row["mb_at_end"] > 50 for row in rows["stream"])
    assert "action_rnn" in shown
    assert "into the cache" in shown


def test_growing_memory_has_a_slope() -> None:
    flat = memory_over_time([100.0 + k % 2 for k in range(1000)])
    growing = memory_over_time([100.0 + 0.05 * k for k in range(1000)])
    assert abs(flat["kb_per_frame"]) < 0.01
    assert growing["kb_per_frame"] == pytest.approx(50)
    assert (growing["mb_at_start"], growing["mb_most"]) == (100, pytest.approx(149.95))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cell"], "'cell'; did you mean 'cells'?"),
        (["cells", "cells=lstn"], "'lstn'; did you mean 'lstm'?"),
        (["cells", "sizes=3x4"], "steps x batch x input x hidden"),
        (["conv", "sizes=3x4x5x6"], "steps x batch x input channels"),
        (["conv", "cells=mlstm"], "'mlstm'"),
        (["models", "models=foo"], "'foo'"),
        (["models", "models=caption_nic"], "unknown model 'caption_nic'"),
        (["captions", "models=caption_updwn"], "caption_updown"),
        (["stream", "models=segment_recurent"], "did you mean 'segment_recurrent'?"),
        (["stream", "models=davis_guide"], "did you mean 'davis_guided'?"),
        (["stream", "models=kth_sim_lstm"], "not a segmentation model"),
        (["stream", "size=480"], "height x width"),
        (["data", "root=nowhere"], "nowhere"),
    ],
)
def test_messages(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_video_that_does_not_end_is_for_models_that_stream() -> None:
    options = {"frames": 1, "size": "32x48", "network": "32x48"}
    with pytest.raises(LstmzooError, match="segment_follow"):
        next(bench_stream(["segment_follow"], **options))
    names = [row["model"] for row in bench_stream(**options)]
    assert "segment_recurrent" in names
    assert "segment_follow" not in names
    assert [row["model"] for row in bench_stream(["davis_guided"], **options)] == ["davis_guided"]
