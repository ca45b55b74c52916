"""Captioners: networks that put a picture into words. Each file reads like its paper; `base` holds what they share."""

from lstmzoo.captioning.models import adaptive, att2in, bag, nic, soft_attention, updown  # registers the models
from lstmzoo.captioning.models.base import BOS, EOS, PAD, UNK, Captioner, State

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
