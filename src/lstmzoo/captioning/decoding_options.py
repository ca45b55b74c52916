"""What ``lstmzoo predict`` and ``lstmzoo inspect`` have in common for captioners: which models, and how they decode."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstmzoo.captioning.inference import device_of
from lstmzoo.captioning.models.decode import Decoding, decoding_of
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.captioning.setup import load_captioner


class CaptionOptions(Decoding):
    """Options of the commands that caption images.

    Args:
        ensemble: further checkpoints, whose probabilities are averaged with the model's.
        **decoding: those of `Decoding`; those that are not given are as the weights were measured with.
    """

    def __init__(self, *, ensemble: Sequence[Path] = (), **decoding: Any) -> None:
        self.ensemble, self.given = ensemble, decoding  # they are complete once the model is known

    def decoding_for(self, model: Any) -> Decoding:
        """How sentences are generated."""
        return decoding_of(model, self.given)

    def with_ensemble(self, model: Any) -> Any:
        """Return the model, or the ensemble of it and the further checkpoints.

        Raises:
            CheckpointError: one of them cannot be read, or holds something else.
            LstmzooError: their vocabularies differ.
        """
        if not self.ensemble:
            return model
        return Ensemble([model, *(load_captioner(path).to(device_of(model)) for path in self.ensemble)])
