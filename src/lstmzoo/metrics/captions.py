"""Scores of captions; the code is in `lstmzoo.captioning.metrics`."""

from lstmzoo.captioning.metrics.scores import *  # noqa: F403
