"""What ``lstmzoo predict`` and ``lstmzoo inspect`` have in common for captioners: which models, and how they decode."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

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

    note: ClassVar = "  From num_beams to seed, what is not given is as the weights were measured with.\n"

    def __init__(self, *, ensemble: Sequence[Path] = (), **decoding: Any) -> None:
        super().__init__(**{**decoding, "num_beam_groups": None})  # whether groups and beams fit, the model decides
        self.num_beam_groups = decoding.get("num_beam_groups")
        self.ensemble, self.given = ensemble, decoding

    def decoding_for(self, model: Any) -> Decoding:
        """How sentences are generated: as given, else as the weights were measured with."""
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
