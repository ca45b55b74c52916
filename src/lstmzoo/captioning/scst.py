"""Self-critical sequence training: a captioner learns from the rewards of its own sentences."""

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lstmzoo.captioning.data.vocabulary import Vocabulary
from lstmzoo.captioning.metrics.cider import CiderD
from lstmzoo.captioning.models.captioner import BOS, EOS, UNK, real_steps
from lstmzoo.captioning.models.decode import Decoding, Sentence, allowed, decode, sample

BASELINES = ("mean", "greedy")


class Reward:
    """CIDEr-D of sentences of ids, against the captions of the training images and with their document frequencies.

    The end of a sentence is a word of it, in the references as in what is rewarded: without, a sentence that breaks off
    ("a man with a") is worth as much as one that is over. Unknown words of the references count as what
    they are, so that the unknown word earns nothing.

    Args:
        captions: of every image, the words of its captions.
        vocabulary: the ids.
    """

    def __init__(self, captions: Sequence[Sequence[Sequence[str]]], vocabulary: Vocabulary) -> None:
        self.cider = CiderD(
            {number: [_known(words, vocabulary) for words in several] for number, several in enumerate(captions)}
        )

    def __call__(self, image: int, sentence: Sentence) -> float:
        """The reward of a sentence about a training image."""
        return self.cider(image, [*sentence.words, EOS] if sentence.finished else sentence.words)


def _known(words: Sequence[str], vocabulary: Vocabulary) -> list[Hashable]:
    """A reference as ids, its end among them; unknown words stay words."""
    _, *ids, end = vocabulary.encode(words)
    return [*(word if number == UNK else number for word, number in zip(words, ids, strict=True)), end]


def self_critical_loss(
    model: Any,
    features: Tensor,
    index: Sequence[int],
    reward: Reward,
    samples: int,
    baseline: str,
    seed: int,
    max_length: int,
) -> tuple[Tensor, Tensor]:
    """REINFORCE with the model itself as the baseline (Rennie et al., CVPR 2017, section 3).

        L = − Σ_k (r(s^k) − b) Σ_t log p(s^k_t) / number of words        s^k ~ p

    b is the reward of the greedy sentence, or, with baseline="mean", the mean reward of the image's other samples.
    p is the distribution over the words that are allowed in use: not the unknown word, nor the same word twice in a
    row. Dropout is off: the network that draws is the one that is measured.

    Args:
        model: a `Captioner`.
        features: of B images, (B, N, C).
        index: which training images they are.
        reward: of a sentence.
        samples: K, sentences drawn per image.
        baseline: mean or greedy.
        seed: of the drawing.
        max_length: most words of a sentence.

    Returns:
        The loss, and the rewards (B, K).
    """
    training = model.training
    model.eval()
    sampling = Decoding("sample", num_return_sequences=samples, seed=seed, max_length=max_length)
    drawn = sample(model, features, sampling, index)
    worth = torch.tensor(
        [[reward(image, sentence) for sentence in several] for image, several in zip(index, drawn, strict=True)],
        device=features.device,
    )  # (B, K)
    if baseline == "greedy":
        greedy = decode(model, features, Decoding("greedy", max_length=max_length))
        against = torch.tensor([[reward(i, several[0])] for i, several in zip(index, greedy, strict=True)]).to(worth)
    else:
        against = (worth.sum(1, keepdim=True) - worth) / (samples - 1)
    words = [
        torch.tensor([BOS, *one.words, *([EOS] if one.finished else [])], device=features.device)
        for several in drawn
        for one in several
    ]
    lengths = torch.tensor([len(one) - 1 for one in words], device=features.device)
    padded = pad_sequence(words, batch_first=True)
    hidden, _ = model.teacher_forcing(features, padded[:, :-1], lengths)
    real = real_steps(lengths, padded.shape[1] - 1)
    logits = allowed(model.output(hidden[real]), padded[:, :-1][real], sampling)
    log_p = logits.log_softmax(1).gather(1, padded[:, 1:][real][:, None]).squeeze(1)
    advantage = (worth - against).flatten().repeat_interleave(lengths)
    model.train(training)
    return -(advantage * log_p).mean(), worth
