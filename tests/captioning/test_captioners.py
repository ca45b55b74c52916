"""The captioners: stepping equals reading, each against its paper's equations written out, with any cell."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_captions import MODELS, features, tiny_model
from torch import Tensor

from lstmzoo import nn
from lstmzoo.captioning.models.att2in import candidates
from lstmzoo.errors import LstmzooError
from lstmzoo.models import create_model
from lstmzoo.nn.cells.linear import MLSTM
from lstmzoo.registry import models
from lstmzoo.settings import settings_of

TOKENS = torch.tensor([[1, 4, 5, 6, 7], [1, 5, 4, 0, 0], [1, 7, 0, 0, 0], [1, 6, 6, 4, 0]])  # two pictures, two each
LENGTHS = torch.tensor([5, 3, 2, 4])


def by_steps(model: Any, picture: Tensor, words: Tensor) -> Tensor:
    """Log-probabilities (T, V) of one sentence, word by word."""
    state, found = model.start(picture), []
    for word in words:
        log_p, state, _ = model.step(state, word[None])
        found.append(log_p[0])
    return torch.stack(found)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh"])
@pytest.mark.parametrize("name", MODELS)
def test_reading_a_batch_equals_stepping_through_each_sentence(name: str, cell: str) -> None:
    model = tiny_model(name, **({"cell": cell} if "cell" in settings_of(models.get(name).target) else {}))
    pictures = features(2)
    logits = model(pictures, TOKENS, LENGTHS)
    assert logits.shape == (4, 5, 8)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = by_steps(model, pictures[row // 2][None], TOKENS[row, :length])
        torch.testing.assert_close(logits[row, :length].log_softmax(-1), alone)
        assert (logits[row, length:] == 0).all()


@pytest.mark.parametrize("cell", nn.list_cells())
def test_any_cell_captions(cell: str) -> None:
    for name in MODELS:
        if "cell" not in settings_of(models.get(name).target):
            continue
        model = create_model(name, vocab_size=8, cell=cell, hidden_size=6, embedding_size=5, dropout=0.0)
        logits = model(features(2).float(), TOKENS, LENGTHS)
        logits.square().sum().backward()
        assert logits.isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def torch_cell(rnn: nn.Recurrent) -> torch.nn.LSTMCell:
    """torch's LSTM cell with a captioner's weights."""
    cell = torch.nn.LSTMCell(rnn.input_size, rnn.hidden_size).double()
    cell.load_state_dict({key: getattr(rnn, f"{key}_l0").detach() for key in cell.state_dict()})
    return cell


def attend(layer: Any, v: Tensor, h: Tensor) -> Tensor:
    """Bahdanau's weights over the cells v (N, D) for a memory h (H,)."""
    scores = [layer.score.weight[0] @ torch.tanh(layer.keys(one) + layer.query.weight @ h) for one in v]
    return torch.stack(scores).softmax(0)


def norm(h: torch.Tensor) -> torch.Tensor:
    centred = h - h.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()


@torch.no_grad()
def test_soft_attention_is_the_papers() -> None:
    model = tiny_model("caption_soft_attention")
    cell, words, picture = torch_cell(model.core.rnn), TOKENS[0], features(1)
    v = torch.relu(model.project[0](picture[0]))
    h, c = (torch.tanh(model.first.maps[name](v.mean(0))) for name in "hc")
    for word, expected in zip(words, model(picture, words[None], torch.tensor([5]))[0], strict=True):
        x = model.embedding.weight[word]
        z = torch.sigmoid(model.gate(h)) * (attend(model.attention, v, h) @ v)
        h, c = (s[0] for s in cell(torch.cat([x, z])[None], (h[None], c[None])))
        deep = torch.tanh(x + model.from_hidden(h) + model.from_picture(z))
        torch.testing.assert_close(expected, model.logits(deep))


@torch.no_grad()
def test_show_and_tell_reads_the_picture_as_its_first_word_and_drops_the_answer() -> None:
    model = tiny_model("caption_nic")
    lstm = torch.nn.LSTM(5, 6).double()
    lstm.load_state_dict({key: getattr(model.core.rnn, key).detach() for key in lstm.state_dict()})
    picture, words = features(1), TOKENS[0]
    first = model.picture(torch.relu(model.project[0](picture[0])).mean(0))
    h, _ = lstm(torch.cat([first[None], model.embedding.weight[words]]))
    torch.testing.assert_close(model(picture, words[None], torch.tensor([5]))[0], model.logits(norm(h[1:])))


@torch.no_grad()
def test_updown_is_the_papers() -> None:
    model = tiny_model("caption_updown")
    looking, telling = torch_cell(model.looking.rnn), torch_cell(model.telling.rnn)
    picture, words = features(1), TOKENS[0]
    v = torch.relu(model.project[0](picture[0]))
    h1 = c1 = h2 = c2 = torch.zeros(1, 6).double()
    for word, expected in zip(words, model(picture, words[None], torch.tensor([5]))[0], strict=True):
        h1, c1 = looking(torch.cat([h2[0], v.mean(0), model.embedding.weight[word]])[None], (h1, c1))
        seen = attend(model.attention, v, h1[0]) @ v
        h2, c2 = telling(torch.cat([seen, h1[0]])[None], (h2, c2))
        torch.testing.assert_close(expected, model.logits(norm(h2[0])))


@torch.no_grad()
def test_adaptive_is_the_papers() -> None:
    model = tiny_model("caption_adaptive")
    cell, picture, words = torch_cell(model.core.rnn), features(1), TOKENS[0]
    v = torch.relu(model.project[0](picture[0]))
    h = c = torch.zeros(6).double()
    score, query = model.attention.score.weight[0], model.attention.query.weight
    for word, expected in zip(words, model(picture, words[None], torch.tensor([5]))[0], strict=True):
        x = torch.cat([model.embedding.weight[word], v.mean(0)])
        gate = torch.sigmoid(model.sentinel_gate(torch.cat([x, h])))
        h, c = (s[0] for s in cell(x[None], (h[None], c[None])))
        sentinel = gate * torch.tanh(c)
        scores = [score @ torch.tanh(model.attention.keys(one) + query @ h) for one in v]
        scores.append(score @ torch.tanh(model.sentinel_key(sentinel) + query @ h))
        weights = torch.stack(scores).softmax(0)
        context = weights[:-1] @ v + weights[-1] * sentinel
        torch.testing.assert_close(expected, model.logits(norm(context + h)))


@pytest.mark.parametrize(("cell", "inputs"), [("lstm", ["g"]), ("gru", ["n"]), ("rnn_tanh", ["h"])])
def test_att2in_lets_the_picture_into_the_cells_input_only(cell: str, inputs: list[str]) -> None:
    torch.manual_seed(0)
    model = create_model(
        "caption_att2in", vocab_size=8, cell=cell, hidden_size=6, embedding_size=5, feature_size=4, dropout=0.0
    )
    found = candidates(model.core.rnn.cell)
    assert len(found) == len(inputs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(features(2).float(), TOKENS, LENGTHS).square().sum().backward()
        optimizer.step()
    for name, rows in zip(model.core.rnn.cell.gates, model.core.rnn.weight_ih_l0.split(6), strict=True):
        assert (rows[:, 5:] != 0).any() == (name in found), name
        assert (rows[:, :5] != 0).all()


def _saved_and_loaded(model: Any) -> Any:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def _assigned(model: Any) -> Any:
    """Weights that are tensors of their own, and let the picture in everywhere."""
    weights = {name: torch.ones_like(value) for name, value in model.state_dict().items()}
    model.load_state_dict(weights, assign=True)
    return model


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), _saved_and_loaded, _assigned]
)
def test_copies_of_att2in_keep_the_picture_out_of_the_gates_too(copied: Callable[[Any], Any]) -> None:
    model = create_model("caption_att2in", vocab_size=8, hidden_size=6, embedding_size=5, feature_size=4, dropout=0.0)
    twin = copied(model)
    assert twin.state_dict().keys() == model.state_dict().keys()
    twin(features(2).float(), TOKENS, LENGTHS).square().sum().backward()
    torch.optim.SGD(twin.parameters(), lr=0.1).step()
    shut = [name for name in twin.core.rnn.cell.gates if name not in candidates(twin.core.rnn.cell)]
    rows = dict(zip(twin.core.rnn.cell.gates, twin.core.rnn.weight_ih_l0.split(6), strict=True))
    assert len(shut) == 3
    assert all((rows[name][:, 5:] == 0).all() for name in shut)


def test_att2in_knows_how_many_rows_a_gate_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """mLSTM's gates i and f have one row each; here they come first, and not last as it happens."""
    order = ["i", "f", "o", "q", "k", "v"]
    monkeypatch.setattr(MLSTM, "gates", {name: MLSTM.gates[name] for name in order})
    sizes = {"hidden_size": 6, "embedding_size": 5, "feature_size": 4}
    model: Any = create_model("caption_att2in", vocab_size=8, cell="mlstm", **sizes)
    rows = model.core.rnn.weight_ih_l0.split([1, 1, 6, 6, 6, 6])
    for name, block in zip(order, rows, strict=True):
        assert (block[:, 5:] != 0).any() == (name in "qkv"), name


def test_a_first_state_is_one_that_the_cell_could_be_in() -> None:
    """sLSTM divides its c by its n, so |c / n| never exceeds 1: a c from the picture beside n = 0 would."""
    model, pictures = tiny_model("caption_soft_attention", cell="slstm"), features(8)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 30
    state = model.start(pictures)
    _, c, n, _ = model.read_word(state.image, state.memory, torch.ones(8, 5).double())[1]
    assert (c.abs() <= n).all()
    assert {*model.first.maps} == {"h"}
    assert {*tiny_model("caption_soft_attention").first.maps} == {"h", "c"}


def test_the_twin_without_memory_knows_the_last_word_only() -> None:
    picture = features(1)
    for name in MODELS:
        model = tiny_model(name)
        one, other = (by_steps(model, picture, torch.tensor(words))[-1] for words in ([1, 4, 5, 6], [1, 7, 4, 6]))
        assert torch.allclose(one, other) == (name == "caption_markov"), name


def test_doubly_stochastic_penalty_counts_real_steps_only() -> None:
    model = tiny_model("caption_soft_attention", doubly_stochastic=2.0)
    attention = torch.full((2, 6, 3), 1 / 3).double()
    real = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    # 6 steps at 1/3 look twice at every place, 3 steps exactly once.
    assert float(model.penalty(attention, real)) == pytest.approx(2.0 * (1.0 + 0.0) / 2)


def test_scheduled_sampling_replaces_its_share_of_words() -> None:
    model = tiny_model("caption_soft_attention")
    pictures, tokens = features(2), torch.full((400, 6), 4)
    tokens[:, 0] = 1
    lengths = torch.full((400,), 6)
    torch.manual_seed(0)
    true, _ = model.teacher_forcing(pictures, tokens, lengths)
    mixed, _ = model.teacher_forcing(pictures, tokens, lengths, sampling=0.5)
    words = mixed[..., :5]  # what is read begins with the word's own vector
    torch.testing.assert_close(words[:, 0], true[:, 0, :5])
    changed = (words[:, 1:] != true[:, 1:, :5]).any(-1).double().mean()
    drawn_anyway = (1 - (model.output(true[:, :-1]).softmax(-1)[..., 4])).mean()
    assert float(changed) == pytest.approx(0.5 * float(drawn_anyway), abs=0.1)


def test_scheduled_sampling_of_nothing_changes_nothing() -> None:
    """The sentence as one sequence (Show and Tell's fast way) and word by word are the same."""
    model = tiny_model("caption_nic")
    reads, _ = model.teacher_forcing(features(2), TOKENS, LENGTHS)
    slow, _ = super(type(model), model).teacher_forcing(features(2), TOKENS, LENGTHS, 0.0)
    for row, length in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(reads[row, :length], slow[row, :length])


@pytest.mark.slow
def test_wrong_settings_are_named() -> None:
    for settings, message in (
        ({"cell": "lstn"}, "'lstm'"),
        ({"feature_size": 0}, "feature_size.* 0"),
        ({"encoder": "nothing"}, "'nothing'"),
    ):
        with pytest.raises(LstmzooError, match=message):
            create_model("caption_soft_attention", **settings)
