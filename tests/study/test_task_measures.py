"""What `lstmzoo study tasks` measures, against models and cases made by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lstmzoo.captioning.agreement_score import agreement
from lstmzoo.captioning.models.captioner import BOS, EOS, PAD, Captioner
from lstmzoo.models import create_model
from lstmzoo.nn import get_cell, list_cells
from lstmzoo.segmentation.data.simulator import OCCLUSIONS_FILE
from lstmzoo.study import task_measures
from lstmzoo.study.bootstrap import interval, interval_over_items
from lstmzoo.study.task_measures import Condition, conditions, keeping_gate, measure
from lstmzoo.synthetic.agreement import SPEAKERS

AS_IS, SHUFFLED, RESET, ERASED = conditions(3)


def test_the_conditions_change_one_thing_each():
    assert Condition(AS_IS.name) == AS_IS
    assert [(one.shuffled, one.reset_every, one.erased) for one in (SHUFFLED, RESET, ERASED)] == [
        (True, None, False),
        (False, 3, False),
        (False, None, True),
    ]


@pytest.mark.parametrize("cell", list_cells())
def test_an_erased_gate_keeps_nothing(cell):
    found = get_cell(cell).retention_gate
    if found is None:
        assert keeping_gate(cell) is None
    else:
        assert keeping_gate(cell) == (found[0], 0.0 if found[1] > 0 else 1.0)
    assert keeping_gate("lstm") == ("f", 0.0)
    assert keeping_gate(None) is None


# -- Recognition ------------------------------------------------------------------------------------------------------

VIDEO = torch.randint(256, (2, 7, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def action_model(name: str, **args):
    torch.manual_seed(0)
    return create_model(name, num_classes=3, feature_size=8, **args).eval()


@torch.no_grad()
def test_a_reset_leaves_what_came_after_it():
    model = action_model("action_rnn", cell="lstm", hidden_size=6, readout="last", input="grey")
    for every, left in ((3, 1), (4, 3), (7, 7), (9, 7)):
        expected = model.forward_frames(VIDEO[:, -left:])[0][:, -1]
        torch.testing.assert_close(task_measures._last_logits(model, VIDEO, every), expected)
    torch.testing.assert_close(task_measures._last_logits(model, VIDEO, None), model(VIDEO))


class Gaits:
    """Two clips of two sequences, one of which is no gait."""

    classes = ("boxing", "running", "walking")
    subsets = {"gaits": ("walking", "running")}

    def __init__(self, labels: list[int]) -> None:
        self.segments = [SimpleNamespace(label=label) for label in labels]

    def loaded(self):
        batch = {"video": VIDEO.repeat(2, 1, 1, 1, 1)[:3], "index": torch.arange(3), "segment": torch.tensor([0, 1, 2])}
        return SimpleNamespace(test_dataset=self, test_dataloader=lambda: [batch])


class Says(nn.Module):
    """Answers with a class, whatever it sees, and after a reset with another one."""

    def forward_frames(self, video, state):
        answer = 2 if state is None else 1
        logits = nn.functional.one_hot(torch.full(video.shape[:2], answer), 3).float()
        return logits, {"input": None, "rnn": torch.ones(1)}


def test_only_gaits_count():
    data = Gaits([2, 1, 0]).loaded()
    assert measure("recognition", Says(), data, "lstm", AS_IS).tolist() == [1.0, 0.0]
    assert measure("recognition", Says(), data, "rnn_tanh", ERASED) is None


def test_a_mean_over_time_does_not_care_for_the_order():
    model, data = action_model("action_meanpool", input="grey"), Gaits([2, 1, 0]).loaded()
    seen = [measure("recognition", model, data, None, one).tolist() for one in (AS_IS, SHUFFLED)]
    assert seen[0] == seen[1]
    assert measure("recognition", model, data, None, ERASED) is None


# -- Captioning -------------------------------------------------------------------------------------------------------

WORDS = ["<pad>", "<bos>", "<eos>", "<unk>", *SPEAKERS, "saw", "did"]
SHE, HE, WE, THEY, SAW, DID = range(4, 10)


class Remember(Captioner):
    """Ends with the speaker whom it remembers, or, without memory, with the previous word."""

    def __init__(self, remembers: bool) -> None:
        super().__init__(vocab_size=len(WORDS), embedding_size=len(WORDS), feature_size=4, dropout=0.0)
        self.remembers, self.words, self.logits = remembers, WORDS, nn.Linear(len(WORDS), len(WORDS))
        with torch.no_grad():
            self.embedding.weight.copy_(torch.eye(len(WORDS)))
            self.logits.weight.copy_(torch.eye(len(WORDS)))
            self.logits.bias.zero_()
            self.logits.bias[DID] = 9.0  # no speaker; so it does not count

    def encode_image(self, v):
        return v.mean(1)

    def initial_state(self, image):
        return image.new_zeros(len(image), len(WORDS))

    def read_word(self, image, state, x):
        state = x + (state if self.remembers else 0)
        return state, state, None


def sentence(*ids: int, size: int = 8) -> list[int]:
    return [BOS, *ids, EOS, *[PAD] * (size - 2 - len(ids))]


SENTENCES = torch.tensor(
    [
        sentence(HE, SAW, SAW, DID, HE),
        sentence(WE, SAW, SAW, SAW, DID, WE),
        sentence(SHE, SAW, DID, THEY),
        [BOS, WE, SAW, SAW, SAW, SAW, SAW, SAW],  # cut
    ]
)
LENGTHS = torch.tensor([7, 8, 6, 8])


@pytest.mark.parametrize(
    ("remembers", "reset_every", "right"),
    [
        (True, None, [True, True, False]),
        (True, 8, [True, True, False]),
        (True, 5, [True, False, False]),  # the word before the last is the fifth of the first sentence
        (True, 2, [False, False, False]),
        (False, None, [False, False, False]),
        (False, 3, [False, False, False]),
    ],
)
def test_agreement_is_a_choice_among_the_speakers(remembers, reset_every, right):
    model = Remember(remembers).eval()
    features = torch.zeros(2, 1, model.encoder.channels)
    agreed, whole = agreement(model, features, SENTENCES, LENGTHS, reset_every)
    assert whole.tolist() == [True, True, True, False]
    assert agreed[whole].tolist() == right


def test_shuffled_words_are_the_same_words_with_the_same_end():
    items = torch.tensor([5, 9])
    shuffled = task_measures._shuffled_words(SENTENCES, LENGTHS, items)
    for row, (words, length) in enumerate(zip(SENTENCES.tolist(), LENGTHS.tolist(), strict=True)):
        mine = shuffled[row].tolist()
        assert sorted(mine) == sorted(words)
        assert (mine[0], mine[length - 2 :]) == (words[0], words[length - 2 :])
    assert torch.equal(shuffled, task_measures._shuffled_words(SENTENCES, LENGTHS, items))
    orders = {
        tuple(task_measures._shuffled_words(SENTENCES, LENGTHS, torch.tensor([k, 0]))[1].tolist()) for k in range(20)
    }
    assert len(orders) > 3


# -- Segmentation -----------------------------------------------------------------------------------------------------


class Follow(nn.Module):
    """Marks what is white, and once it has seen nothing white, what it marked before."""

    transform = {"size": (32, 48)}

    def forward(self, frames, state=None):
        masks = []
        for frame in frames[:, :, 0].unbind(1):
            state = (frame > 0.5) if (frame > 0.5).any() or state is None else state
            masks.append(state)
        return torch.stack(masks, 1).float().unsqueeze(2) - 0.5, state

    def reset_memory(self, state):
        return None


@pytest.fixture
def videos(tmp_path):
    """A white object in the left half of frames 0 and 1; then it cannot be seen; frames 4 and 5 are after that."""
    masks = torch.zeros(6, 32, 48)
    masks[:, :, :24] = 1
    masks[5, :, :12] = 0  # half of it
    video = torch.zeros(6, 3, 32, 48, dtype=torch.uint8)
    video[:2, :, :, :24] = 255
    (tmp_path / OCCLUSIONS_FILE).write_text(json.dumps({"one": {"after": [4, 5]}}))
    items = [{"video": video, "masks": masks, "name": "one", "index": 3}]
    return SimpleNamespace(root=tmp_path, test_dataset=items)


@pytest.mark.parametrize(
    ("condition", "score"),
    [
        (AS_IS, (1 + 0.5) / 2),
        (Condition("reset", reset_every=6), 0.75),
        (RESET, 0.0),
        (Condition("r", reset_every=1), 0),
    ],
)
def test_j_is_that_of_the_frames_after_the_occlusion(videos, condition, score):
    assert measure("segmentation", Follow(), videos, "lstm", condition).tolist() == [pytest.approx(score)]


def test_of_shuffled_frames_each_is_compared_with_its_own_mask(videos):
    class Framewise(Follow):
        def forward(self, frames, state=None):
            return frames[:, :, :1] - 0.5, None

    videos.test_dataset[0]["video"][4:] = 255 * videos.test_dataset[0]["masks"][4:, None].to(torch.uint8)
    for condition in (AS_IS, SHUFFLED, RESET):
        assert measure("segmentation", Framewise(), videos, None, condition).tolist() == [1.0]


def test_j_of_nothing_and_nothing_is_1():
    one, other = torch.zeros(3, 2, 2, dtype=torch.bool), torch.zeros(3, 2, 2, dtype=torch.bool)
    one[1, 0, 0] = other[1, 0, 0] = other[1, 1, 1] = one[2, 0, 0] = True
    assert task_measures._jaccard(one, other).tolist() == [1.0, 0.5, 0.0]


# -- Intervals --------------------------------------------------------------------------------------------------------


def test_intervals_over_seeds_and_items():
    scores = np.random.default_rng(0).normal(size=(1, 400))
    assert interval_over_items(scores) == pytest.approx(interval(scores[0].tolist()), abs=0.02)
    assert interval_over_items(np.repeat(scores, 5, 0)) == pytest.approx(interval(scores[0].tolist()), abs=0.02)
    seeds = np.repeat(np.array([[0.0], [1.0]]), 50, 1)  # as many items as you like do not make up for few seeds
    assert interval_over_items(seeds) == (0.0, 1.0)
