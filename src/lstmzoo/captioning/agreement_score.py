"""Whether a captioner knows, at the end of a sentence, how it began; see `lstmzoo.synthetic.agreement`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lstmzoo.captioning.data.captions_simulator import agreement_of
from lstmzoo.captioning.models.captioner import EOS, State
from lstmzoo.synthetic.agreement import SPEAKERS


@torch.no_grad()
def agreement(
    model: Any, features: Tensor, words: Tensor, lengths: Tensor, reset_every: int | None = None
) -> tuple[Tensor, Tensor]:
    """Let a captioner read true sentences, and ask it which of the speakers ends each.

    Args:
        model: a captioner in evaluation mode, with its words.
        features: (B, N, C) of the images.
        words: (R, L) ids from begin to end, R = B · k, the k sentences of an image together.
        lengths: (R,) how many of them are real, 4 or more.
        reset_every: words after which the memory is reset, again and again, to what it is before the first word; None:
            never.

    Returns:
        (R,) bool: whether the last word is the most probable of all speakers; (R,) bool: whether the sentence is there
        as a whole.
    """
    rows = torch.arange(len(words), device=words.device)
    if reset_every is None:
        hidden, _ = model.teacher_forcing(features, words[:, :-1], lengths - 1)
        logits = model.output(hidden[rows, lengths - 3])
    else:
        logits = _with_resets(model, features, words, lengths - 3, reset_every)
    speakers = torch.tensor([model.words.index(one) for one in SPEAKERS], device=words.device)
    return speakers[logits[:, speakers].argmax(-1)] == words[rows, lengths - 2], words[rows, lengths - 1] == EOS


def asks_agreement(root: Path, words: Sequence[str]) -> bool:
    """Return whether the captions of a folder agree in their ends, and all that may stand there is in a vocabulary."""
    return agreement_of(root) > 0 and {*SPEAKERS} <= {*words}


def agreement_by_image(model: Any, features: Tensor, batch: Mapping[str, Any]) -> list[tuple[int, list[bool]]]:
    """Return the number of each image of a batch, and for its whole sentences whether their last word was found."""
    agreed, whole = agreement(model, features, batch["words"], batch["lengths"])
    both = zip(agreed.view(len(features), -1), whole.view(len(features), -1), strict=True)
    return [(number, a[w].tolist()) for number, (a, w) in zip(batch["index"].tolist(), both, strict=True)]


def _with_resets(model: Any, features: Tensor, words: Tensor, asked: Tensor, every: int) -> Tensor:
    """Log-probabilities (R, V) after the words numbered `asked` (R,), with the memory reset again and again."""
    state = model.start(features)
    state = state.select(state.rows.repeat_interleave(len(words) // len(features)))
    found: Tensor | None = None
    for t in range(int(asked.max()) + 1):
        if t and t % every == 0:
            state = State(state.image, model.initial_state(state.image))
        predicted, state, _ = model.step(state, words[:, t])
        here = (asked == t).unsqueeze(1)
        found = torch.where(here, predicted, predicted if found is None else found)
    assert found is not None
    return found
