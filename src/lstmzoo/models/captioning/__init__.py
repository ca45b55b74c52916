"""Captioners: networks that put a picture into words. Each file reads like its paper; `base` holds what they share."""

from lstmzoo.models.captioning import adaptive, att2in, bag, nic, soft_attention, updown  # registers the models
from lstmzoo.models.captioning.base import BOS, EOS, PAD, UNK, Captioner, State

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "UNK",
    "Captioner",
    "State",
    "adaptive",
    "att2in",
    "bag",
    "nic",
    "soft_attention",
    "updown",
]
