"""Decoding: against exhaustive search, against itself in other batches, and in the cases that break others."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from tiny_captions import MODELS, features, tiny_model
from torch import Tensor

from lstmzoo.captioning.inference import trace_caption
from lstmzoo.captioning.metrics.cider import CiderD, _ngrams
from lstmzoo.captioning.models.captioner import BOS, EOS, UNK
from lstmzoo.captioning.models.consensus import TEMPERATURE, consensus
from lstmzoo.captioning.models.decode import METHODS, Decoding, Sentence, _draw, decode, sample
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.errors import LstmzooError
from lstmzoo.models.recurrent_layers import has_memory

FREE: dict[str, Any] = {"no_repeat": False, "allow_unknown": True}


def log_probability(model: Any, picture: Tensor, words: list[int]) -> float:
    """Of a whole sentence, by reading it."""
    tokens = torch.tensor([[BOS, *words[:-1]]])
    log_p = model(picture, tokens, torch.tensor([len(words)])).log_softmax(-1)
    return float(log_p.detach()[0, torch.arange(len(words)), torch.tensor(words)].sum())


def said(found: list[list[Sentence]]) -> list[list[list[int]]]:
    return [[sentence.words for sentence in several] for several in found]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["caption_soft_attention", "caption_nic", "caption_markov"])
def test_a_beam_that_holds_everything_equals_exhaustive_search(name: str) -> None:
    model, picture, longest = tiny_model(name, vocab_size=7), features(1), 4
    words = (3, 4, 5, 6)
    every = [
        [*body, EOS] if len(body) < longest else list(body)
        for length in range(1, longest + 1)
        for body in itertools.product(words, repeat=length)
    ]
    scores = {tuple(sentence): log_probability(model, picture, sentence) for sentence in every}
    best = sorted(scores, key=lambda sentence: -scores[sentence])
    decoding = Decoding(num_beams=5**longest, num_return_sequences=20, max_length=longest, **FREE)
    found = decode(model, picture, decoding)[0]
    sentences = [tuple([*one.words, EOS] if one.finished else one.words) for one in found]
    assert len({*sentences}) == 20
    for one, own, sentence in zip(found, sentences, best, strict=False):  # without memory, some are equally probable
        assert one.score == pytest.approx(scores[own]) == pytest.approx(scores[sentence])
        assert sum(one.log_probs) == pytest.approx(one.score)


@pytest.mark.parametrize("name", MODELS)
def test_a_beam_of_one_is_greedy(name: str) -> None:
    model, pictures = tiny_model(name, vocab_size=12), features(5)
    greedy = decode(model, pictures, Decoding("greedy"))
    assert said(greedy) == said(decode(model, pictures, Decoding(num_beams=1)))
    for picture, several in zip(pictures, greedy, strict=True):  # and as one would write it down
        state, word, words = model.start(picture[None]), BOS, []
        while word != EOS and len(words) < 20:
            log_p, state, _ = model.step(state, torch.tensor([word]))
            log_p[0, [0, 1, UNK, word, *([] if words else [EOS])]] = -torch.inf
            word = int(log_p.argmax())
            words.append(word)
        assert several[0].words == [w for w in words if w != EOS]
        assert several[0].finished == (EOS in words)


@pytest.mark.slow
@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(num_beams=3),
        Decoding(num_beams=4, num_beam_groups=2, num_return_sequences=3),
        Decoding("sample", num_return_sequences=3, seed=5),
        Decoding(num_beams=3, length_penalty=0.7),
        Decoding("mbr", num_beams=4, num_return_sequences=2),
    ],
    ids=["beam", "diverse", "sample", "normalised", "mbr"],
)
def test_the_batch_changes_nothing(decoding: Decoding) -> None:
    for name in MODELS:
        model, pictures = tiny_model(name, vocab_size=12), features(6)
        together = decode(model, pictures, decoding, range(6))
        for number, picture in enumerate(pictures):
            alone = decode(model, picture[None], decoding, [number])[0]
            assert [one.words for one in alone] == [one.words for one in together[number]], name
            assert alone[0].score == pytest.approx(together[number][0].score)


@pytest.mark.parametrize("method", METHODS)
def test_what_never_ends_is_kept(method: str) -> None:
    model = tiny_model("caption_soft_attention")
    with torch.no_grad():
        model.logits.bias[EOS] = -1e9
    for several in decode(model, features(3), Decoding(method, max_length=7)):
        assert len(several[0].words) == 7
        assert not several[0].finished


@pytest.mark.parametrize("method", METHODS)
def test_no_sentence_is_empty(method: str) -> None:
    model = tiny_model("caption_soft_attention")
    with torch.no_grad():
        model.logits.bias[EOS] = 1e9
    for several in decode(model, features(3), Decoding(method)):
        assert len(several[0].words) == 1
        assert several[0].finished


@pytest.mark.parametrize("name", MODELS)
def test_no_pictures_no_sentences(name: str) -> None:
    for method in METHODS:
        assert decode(tiny_model(name), features(0), Decoding(method)) == []


@pytest.mark.parametrize("method", ["beam", "mbr"])
def test_a_beam_wider_than_the_vocabulary(method: str) -> None:
    model = tiny_model("caption_nic", vocab_size=5)  # the end and one word
    decoding = Decoding(method, num_beams=9, num_return_sequences=9, max_length=3, no_repeat=False)
    found = decode(model, features(2), decoding)
    assert [sorted(map(len, several)) for several in said(found)] == [[1, 2, 3]] * 2


def test_repetition_and_the_unknown_word() -> None:
    model = tiny_model("caption_nic")
    with torch.no_grad():
        model.logits.bias[UNK] = 50.0
        model.logits.bias[EOS] = -50.0
        model.logits.bias[5] = 30.0
    loud = decode(model, features(1), Decoding(num_beams=2, **FREE))[0][0].words
    assert set(loud) == {UNK}
    usual = decode(model, features(1), Decoding(num_beams=2))[0][0].words
    assert UNK not in usual
    assert all(one != other for one, other in itertools.pairwise(usual))
    assert usual.count(5) == 10


def repeats_an_ngram(words: Sequence[int], n: int) -> bool:
    ngrams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
    return len(set(ngrams)) < len(ngrams)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_ngram_occurs_twice(n: int) -> None:
    model, picture, longest = tiny_model("caption_soft_attention", vocab_size=6), features(1), 5
    bodies = [body for length in range(1, longest + 1) for body in itertools.product((3, 4, 5), repeat=length)]
    possible = [body for body in bodies if not repeats_an_ngram(body, n)]
    assert len(possible) < len(bodies)
    scores = {
        body: log_probability(model, picture, [*body, EOS] if len(body) < longest else list(body)) for body in possible
    }
    best = sorted(possible, key=lambda body: -scores[body])
    options: dict[str, Any] = {"no_repeat_ngram_size": n, "max_length": longest, **FREE}
    for groups in (1, 2):  # every group holds all sentences
        everything = {"num_beams": groups * 4**longest, "num_return_sequences": 10}
        decoding = Decoding(num_beam_groups=groups, diversity_penalty=0.0, **everything, **options)
        assert [tuple(one.words) for one in decode(model, picture, decoding)[0]] == best[:10]
    drawing = Decoding("sample", num_return_sequences=20_000, temperature=100.0, **options)
    assert {tuple(one.words) for one in decode(model, picture, drawing)[0]} == set(possible)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_greedy_search_takes_the_best_word_that_repeats_no_ngram(n: int) -> None:
    model, pictures = tiny_model("caption_soft_attention", vocab_size=8), features(4)
    with torch.no_grad():
        model.logits.bias[EOS] = -50.0
    found = decode(model, pictures, Decoding("greedy", no_repeat_ngram_size=n, max_length=15, **FREE))
    for picture, several in zip(pictures, found, strict=True):
        state, words = model.start(picture[None]), [BOS]
        while words[-1] != EOS and len(words) < 16:
            log_p, state, _ = model.step(state, torch.tensor(words[-1:]))
            candidates = [EOS, UNK, 4, 5, 6, 7] if len(words) > 1 else [UNK, 4, 5, 6, 7]
            candidates = [word for word in candidates if not repeats_an_ngram([*words, word], n)]
            words.append(max(candidates, key=lambda word: float(log_p.detach()[0, word])))
        assert several[0].words == [word for word in words[1:] if word != EOS]


def test_sampling_draws_what_the_model_says() -> None:
    model = tiny_model("caption_soft_attention")
    expected = model.step(model.start(features(1)), torch.tensor([BOS]))[0][0].exp()
    expected[[0, 1, EOS]] = 0
    expected /= expected.sum()
    drawn = sample(model, features(1), Decoding("sample", num_return_sequences=8000, max_length=1, **FREE))[0]
    counts = Counter(one.words[0] if one.words else EOS for one in drawn)
    for word, p in enumerate(expected.tolist()):
        assert counts[word] / 8000 == pytest.approx(p, abs=4 * (p * (1 - p) / 8000) ** 0.5 + 1e-9)


def test_sampling_cut_to_the_most_probable_is_greedy() -> None:
    model, pictures = tiny_model("caption_soft_attention", vocab_size=12), features(4)
    greedy = said(decode(model, pictures, Decoding("greedy")))
    for narrow in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        assert said(decode(model, pictures, Decoding("sample", **narrow))) == greedy
    both = decode(model, pictures, Decoding("sample", num_return_sequences=200, max_length=1, top_k=2))
    assert all(len({tuple(one.words) for one in several}) == 2 for several in both)


def test_the_largest_random_number_draws_a_possible_word() -> None:
    p = torch.tensor([[0.5, 0.25, 0.25, 0.0]])
    for chance, word in ((0.0, 0), (0.6, 1), (1.0, 2)):  # 1.0 is what rounding makes of the numbers just below
        assert _draw(p.log(), torch.tensor([chance]), Decoding("sample")).item() == word


def test_groups_avoid_each_others_words() -> None:
    model, picture = tiny_model("caption_soft_attention", vocab_size=12), features(1)
    alike = decode(
        model, picture, Decoding(num_beams=4, num_beam_groups=4, diversity_penalty=0.0, num_return_sequences=4)
    )[0]
    assert len(alike) == 1
    apart = decode(
        model, picture, Decoding(num_beams=4, num_beam_groups=4, diversity_penalty=1e6, num_return_sequences=4)
    )[0]
    assert len({one.words[0] if one.words else EOS for one in apart}) == 4
    one_group = decode(model, picture, Decoding(num_beams=4, num_beam_groups=1, diversity_penalty=1e6))[0][0]
    assert one_group.words == decode(model, picture, Decoding(num_beams=4))[0][0].words


def test_several_sentences_differ_from_their_first_words_on() -> None:
    model, images = tiny_model("caption_soft_attention", vocab_size=12), features(5)
    plain = decode(model, images, Decoding(num_beams=2))
    several = decode(model, images, Decoding(num_beams=2, num_return_sequences=3, diversity_penalty=1e6))
    for (best,), found in zip(plain, several, strict=True):
        assert len({one.words[0] for one in found}) == len(found) == 3
        assert best.words in [one.words for one in found]  # the first group is what a plain search finds
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_no_sentence_comes_twice() -> None:
    model, picture = tiny_model("caption_soft_attention", vocab_size=12), features(1)
    groups = Decoding(
        num_beams=8, num_beam_groups=2, diversity_penalty=0.0, num_return_sequences=3
    )  # both find the same four
    four = decode(model, picture, Decoding(num_beams=4, num_beam_groups=1, num_return_sequences=4))[0]
    assert said([decode(model, picture, groups)[0]]) == said([four[:3]])
    drawing = Decoding("sample", num_return_sequences=30, max_length=2, temperature=0.5)
    drawn, different = (found(model, picture, drawing)[0] for found in (sample, decode))
    assert len(drawn) == 30
    assert len(different) < 30
    assert [one.words for one in different] == list(map(list, dict.fromkeys(tuple(one.words) for one in drawn)))


def test_length_normalisation_prefers_longer_sentences() -> None:
    model, pictures = tiny_model("caption_soft_attention", vocab_size=12), features(20)
    with torch.no_grad():
        model.logits.bias[EOS] = 2.0
    plain, divided = (decode(model, pictures, Decoding(num_beams=20, length_penalty=power)) for power in (0.0, 1.0))
    assert sum(len(s[0].words) for s in divided) > sum(len(s[0].words) for s in plain)
    for several in divided:
        best = several[0]
        assert best.score == pytest.approx(sum(best.log_probs) / (len(best.words) + best.finished))


def test_minimum_bayes_risk_takes_what_the_beam_agrees_on() -> None:
    """The sentences of the beam, ordered by how much they say of what the others say, each as far as it is probable."""
    model, pictures = tiny_model("caption_soft_attention", vocab_size=12), features(20)
    model.logits.weight.data *= 0.3  # less outspoken, or the most probable sentence wins every time
    wide: dict[str, Any] = {"num_beams": 8, "num_beam_groups": 1, "num_return_sequences": 8, "length_penalty": 0.7}
    others = 0
    for beam, found in zip(
        *(decode(model, pictures, Decoding(method, **wide)) for method in ("beam", "mbr")), strict=True
    ):
        p = np.exp(np.array([one.score for one in beam]) / TEMPERATURE)
        score = CiderD({0: [[0]]})
        score.log_images = 1.0  # all n-grams of equal weight
        score.log_frequency = {}
        expected = []
        for one in beam:
            score.references = {k: [score._vectors(_ngrams(other.words))] for k, other in enumerate(beam)}
            expected.append(sum(p[k] / p.sum() * score(k, one.words) / 10 for k in range(len(beam))))
        best = sorted(range(len(beam)), key=lambda k: -expected[k])
        assert said([found]) == said([[beam[k] for k in best]])
        assert [one.score for one in found] == pytest.approx([expected[k] for k in best])
        others += best[0] != 0
    assert others > 0


def test_minimum_bayes_risk_prefers_what_two_sentences_say_to_the_most_probable() -> None:
    sentences = [["a", "dog"], ["a", "man", "on", "a", "horse"], ["a", "man", "on", "a", "brown", "horse"]]
    best, *agreeing = consensus(sentences, [-1.0, -1.1, -1.1])
    assert min(agreeing) > best
    alone, *others = consensus(sentences, [-1.0, -9.0, -math.inf])
    assert alone == pytest.approx(0.5, abs=1e-9)  # two words have no n-grams of three and four
    assert max(others) < 0.5


def test_an_ensemble_averages_probabilities() -> None:
    one, other = tiny_model("caption_soft_attention"), tiny_model("caption_updown")
    ensemble, pictures = Ensemble([one, other]).eval(), features(2)
    words = torch.tensor([BOS, BOS])
    p = ensemble.step(ensemble.start((pictures, pictures)), words)[0].exp()
    parts = [model.step(model.start(pictures), words)[0].exp() for model in (one, other)]
    torch.testing.assert_close(p, (parts[0] + parts[1]) / 2)
    alone = decode(Ensemble([one]), (pictures,))
    assert said(alone) == said(decode(one, pictures))
    assert alone[0][0].score == pytest.approx(decode(one, pictures)[0][0].score)
    with pytest.raises(LstmzooError, match="once"):
        Ensemble([one, other, one])
    one.words, other.words = ["a"], ["b"]
    with pytest.raises(LstmzooError, match=r"data.min_count"):
        Ensemble([one, other])


@pytest.mark.parametrize("name", MODELS)
def test_a_sentence_is_replayed_with_attention_and_gates(name: str) -> None:
    model, picture = tiny_model(name), features(1)
    model.words = list("pbeuwxyz")
    sentence = decode(model, picture, Decoding(num_beams=3))[0][0]
    trace = trace_caption(model, picture, sentence)
    words = [step for step in trace.steps if step != "(image)"]
    assert words == [*(model.words[word] for word in sentence.words), *(["."] if sentence.finished else [])]
    own = trace.probabilities[-len(words) :]
    torch.testing.assert_close(torch.tensor(own).log(), torch.tensor(sentence.log_probs).double())
    _, _, attention = model.step(model.start(picture), torch.tensor([BOS]))
    assert (trace.attention is None) == (attention is None)
    if attention is not None:
        total = trace.attention.sum(1) + (trace.sentinel if trace.sentinel is not None else 0)
        torch.testing.assert_close(torch.tensor(total), torch.ones(len(words)).to(torch.tensor(total)))
        assert (trace.sentinel is not None) == (attention.shape[1] == picture.shape[1] + 1)
    assert (trace.trace is not None) == has_memory(model)
    if has_memory(model):
        assert all(len(layer) == len(trace.steps) for layer in trace.trace.gates["f"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "bean"}, "'beam'"),
        ({"num_beams": 0}, "num_beams.* 0"),
        ({"num_beams": 3, "num_beam_groups": 2}, "num_beams=3.*num_beam_groups=2"),
        ({"num_return_sequences": 4, "num_beam_groups": 1}, "num_return_sequences=4.*num_beams=3"),
        ({"num_beam_groups": 0}, "num_beam_groups.* 0"),
        ({"method": "greedy", "num_return_sequences": 2}, "method=beam"),
        ({"top_p": 0.0}, "top_p"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size.*-1"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(LstmzooError, match=message):
        Decoding(**settings)
