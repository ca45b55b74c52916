"""The measures of DAVIS; the code is in `lstmzoo.segmentation.metrics`."""

from lstmzoo.segmentation.metrics import *  # noqa: F403
