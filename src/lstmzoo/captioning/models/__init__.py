"""Captioners: networks that describe images. Each file reads like its paper; `base` holds what they share."""

from lstmzoo.captioning.models.captioner import BOS, EOS, PAD, UNK, Captioner, RecurrentCaptioner, State

__all__ = ["BOS", "EOS", "PAD", "UNK", "Captioner", "RecurrentCaptioner", "State"]
