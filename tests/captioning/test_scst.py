"""CIDEr-D as a reward, and self-critical training."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from tiny_captions import features, tiny_model
from torch import Tensor

from lstmzoo.captioning.data.vocabulary import Vocabulary
from lstmzoo.captioning.metrics.cider import CiderD
from lstmzoo.captioning.models.captioner import BOS, EOS, UNK
from lstmzoo.captioning.models.decode import Sentence
from lstmzoo.captioning.scst import Reward, self_critical_loss


def sentences(count: int, seed: int) -> list[list[str]]:
    draw = random.Random(seed)
    return [draw.choices("abcdefg", k=draw.randint(1, 9)) for _ in range(count)]


def test_equals_the_official_scorer() -> None:
    cider = pytest.importorskip("pycocoevalcap.cider.cider")
    references = {str(number): sentences(1 + number % 4, number) for number in range(30)}
    hypotheses = {number: sentences(1, 100 + int(number))[0] for number in references}
    hypotheses["3"] = references["3"][0]
    _, official = cider.Cider().compute_score(
        {number: [" ".join(words) for words in several] for number, several in references.items()},
        {number: [" ".join(words)] for number, words in hypotheses.items()},
    )
    reward = CiderD(references)
    assert [reward(number, words) for number, words in hypotheses.items()] == pytest.approx(list(official), abs=1e-9)


def test_a_sentence_that_breaks_off_is_worth_less() -> None:
    captions = [[["a", "man", "with", "a", "hat"]], [["a", "dog", "runs"]], [["two", "cats", "sleep"]]]
    vocabulary = Vocabulary.build([words for several in captions for words in several], min_count=1)
    reward = Reward(captions, vocabulary)
    ids = vocabulary.encode(captions[0][0])[1:-1]
    whole, cut, ended_early = (
        reward(0, Sentence(words, [], finished, 0.0))
        for words, finished in ((ids, True), (ids, False), (ids[:-1], True))
    )
    assert whole == pytest.approx(10.0)
    assert whole > cut
    assert cut > ended_early  # "a man with a" and an end is worse than the whole without one


@pytest.mark.slow
@pytest.mark.parametrize("baseline", ["mean", "greedy"])
def test_learning_by_reward_earns_more(baseline: str) -> None:
    vocabulary = Vocabulary(list("wxyz"))
    reward, pictures = Reward([[["w", "x", "y"]], [["z", "y", "w"]]], vocabulary), features(2)
    model = tiny_model("caption_soft_attention", hidden_size=8).train()
    optimizer = torch.optim.Adam([p for name, p in model.named_parameters() if "encoder" not in name], lr=0.01)
    earned = []
    for step in range(80):
        loss, worth = self_critical_loss(model, pictures, [0, 1], reward, 8, baseline, step, max_length=5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        earned.append(float(worth.mean()))
    assert worth.shape == (2, 8)
    assert model.training
    assert sum(earned[-10:]) > 1.4 * sum(earned[:10])


@pytest.mark.slow
def test_the_gradient_is_that_of_the_expected_reward() -> None:
    """With two words at most, all that may be said can be written down, and so can the gradient of its mean worth."""
    reward, picture = Reward([[["w", "z"]], [["x"]]], Vocabulary(list("wxyz"))), features(1)
    model = tiny_model("caption_markov")
    with torch.no_grad():
        model.logits.weight *= 0.1  # every word has its chance
    expected_worth = torch.zeros(()).double()
    for first in (4, 5, 6, 7):  # no special word: the first is not the end either
        _, state, _ = model.step(model.start(picture), torch.tensor([BOS]))
        p_first = chances(model, model.start(picture), BOS, [4, 5, 6, 7])[first]
        after = [EOS, *(word for word in (4, 5, 6, 7) if word != first)]
        for second, p in chances(model, state, first, after).items():
            sentence = Sentence([first] if second == EOS else [first, second], [], second == EOS, 0.0)
            expected_worth = expected_worth + p_first * p * reward(0, sentence)
    expected = torch.autograd.grad(expected_worth, model.logits.bias)[0] / 2  # two words each
    loss, _ = self_critical_loss(model, picture, [0], reward, 20000, "mean", 3, max_length=2)
    estimate = -torch.autograd.grad(loss, model.logits.bias)[0]
    torch.testing.assert_close(estimate, expected, atol=0.1 * float(expected.abs().max()), rtol=0.1)


def chances(model: Any, state: Any, word: int, possible: list[int]) -> dict[int, Tensor]:
    """The probabilities of the next words where only some are possible."""
    log_p, _, _ = model.step(state, torch.tensor([word]))
    return dict(zip(possible, log_p[0, possible].softmax(0), strict=True))


def test_the_unknown_word_earns_nothing_and_is_not_said() -> None:
    captions = [[["a", "zebu", "runs"], ["a", "gnu", "runs"]], [["a", "dog", "runs"]], [["w", "x"]]]
    vocabulary = Vocabulary(["a", "dog", "runs", "w", "x"])  # neither zebu nor gnu
    reward = Reward(captions, vocabulary)
    official = CiderD({number: [[*words, "."] for words in several] for number, several in enumerate(captions)})
    for words in (["a", "dog", "runs"], ["a", "<unk>", "runs"]):
        ids = [vocabulary.words.index(word) for word in words]
        assert reward(0, Sentence(ids, [], True, 0.0)) == pytest.approx(official(0, [*words, "."]))
    heard: list[int] = []

    def listening(picture: int, sentence: Sentence) -> float:
        heard.extend(sentence.words)
        return float(len(sentence.words))

    model = tiny_model("caption_nic", vocab_size=len(vocabulary))
    with torch.no_grad():
        model.logits.bias[UNK] = 30.0
    for baseline in ("mean", "greedy"):
        loss, _ = self_critical_loss(model, features(2), [0, 1], listening, 4, baseline, 0, max_length=5)  # type: ignore[arg-type]
        assert loss.isfinite()
        assert torch.autograd.grad(loss, model.logits.bias)[0][UNK] == 0
    assert heard
    assert UNK not in heard
