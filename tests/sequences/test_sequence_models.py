"""Sequence models stream, and answer at the last steps only; windows add up to the whole loss."""

from __future__ import annotations

import pytest
import torch

from lstmzoo import create_model
from lstmzoo.config.choices import is_model_of
from lstmzoo.registry import models, tasks
from lstmzoo.sequences.task import SequenceTask
from lstmzoo.training.optimization import windows

TASK = tasks.get("sequence").target
OURS = [name for name in models.names("sequence_*") if is_model_of(name, TASK)]


def build(model: str = "sequence_rnn", data: str = "recall", window: int | None = None, **options) -> SequenceTask:
    config = {
        "seed": 0,
        "task": {"name": "sequence", "tbptt_window": window},
        "model": {"name": model, "hidden_size": 6},
        "data": {"name": data, **options},
    }
    torch.manual_seed(0)
    return SequenceTask.from_config(config, [])


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("answers", [1, 3, 7])
@pytest.mark.parametrize("cut", [1, 4, 6])
def test_chunks_give_the_answers_of_the_whole(name, answers, cut):
    torch.manual_seed(0)
    model = create_model(name, input_size=2, num_classes=3, target_steps=answers, hidden_size=5).eval()
    x = torch.randn(2, 7, 2)
    whole = model(x)
    assert whole.shape == (2, answers, 3)
    first, state = model.forward_steps(x[:, :cut], None, cut)
    second, _ = model.forward_steps(x[:, cut:], state, 7 - cut)
    torch.testing.assert_close(torch.cat([first, second], 1)[:, -answers:], whole)


@pytest.mark.parametrize("name", OURS)
def test_the_head_runs_on_the_answered_steps_only(name):
    model = create_model(name, input_size=2, target_steps=2)
    seen = []
    model.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    model(torch.randn(3, 50, 2))
    assert [shape[:2] for shape in seen] == [(3, 2)]


def test_what_each_baseline_is_blind_to():
    x = torch.randn(2, 9, 4)
    framewise, meanpool = (create_model(f"sequence_{name}", input_size=4).eval() for name in ("framewise", "meanpool"))
    changed = torch.cat([torch.randn(2, 8, 4), x[:, -1:]], dim=1)
    torch.testing.assert_close(framewise(changed), framewise(x))
    torch.testing.assert_close(meanpool(x[:, torch.randperm(9)]), meanpool(x))
    assert not torch.allclose(meanpool(changed), meanpool(x))


def test_the_mean_over_a_long_sequence_in_half_precision():
    model = create_model("sequence_meanpool", input_size=4).eval().bfloat16()
    x = torch.rand(2, 2000, 4).bfloat16()
    mean, _ = model.features(x, None, 1)
    expected = model.encoder(x).double().mean(1, keepdim=True)
    torch.testing.assert_close(mean.double(), expected, rtol=2**-8, atol=2**-8)
    parts, state = [], None
    for part in x.split(500, dim=1):
        mean, state = model.features(part, state, 1)
        parts.append(mean)
    torch.testing.assert_close(parts[-1].double(), expected, rtol=2**-8, atol=2**-8)


def test_baselines_have_about_as_many_weights_as_the_lstm():
    counts = [sum(weight.numel() for weight in create_model(name).parameters()) for name in OURS]
    assert max(counts) < 1.1 * min(counts)


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 3), (2, 1, 2)])
def test_a_wrong_shape_is_named(shape):
    with pytest.raises(ValueError, match=str(shape[-1])):
        create_model("sequence_rnn", input_size=2, target_steps=2)(torch.randn(shape))


@pytest.mark.parametrize("data", ["copying", "recall", "adding"])
@pytest.mark.parametrize("window", [1, 4, 7, 100])
def test_windows_add_up_to_the_loss_of_the_whole(data, window):
    task = build(data=data, distance=9)
    batch = task.dummy_batch()
    steps, state, total = task.num_frames(batch), None, 0.0
    for frames in windows(steps, window):
        loss, state = task.window_loss(batch, frames, state)
        assert loss.requires_grad
        total = total + loss * (frames.stop - frames.start) / steps
    torch.testing.assert_close(total, task.loss(batch))
    total.backward()
    truncated = {name: weight.grad.clone() for name, weight in task.named_parameters()}
    task.zero_grad()
    task.loss(batch).backward()
    for name, weight in task.named_parameters():
        whole = window >= steps or name.startswith("model.head")  # the head sees no other steps than its own
        assert torch.allclose(truncated[name], weight.grad) or not whole, name


def test_a_regression_is_right_within_the_papers_tolerance():
    dataset = build(data="adding", distance=5).dataset
    answers = torch.tensor([[[0.5]], [[0.5]]])
    target = torch.tensor([[0.539], [0.541]])
    assert dataset.is_right(answers, target).tolist() == [[True], [False]]
    torch.testing.assert_close(dataset.loss(answers, target), (answers[..., 0] - target) ** 2)
