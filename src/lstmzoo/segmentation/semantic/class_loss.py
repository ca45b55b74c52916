"""What is learnt about a class for every pixel: cross-entropy, perhaps with weights that make up for rare classes."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lstmzoo.segmentation.data.masks import VOID

MOST_WEIGHT = 10.0
"""A class that is seen in a few pixels only would otherwise be worth more than all others."""


def class_loss(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the cross-entropy over all labelled pixels, the mean weighted by the classes' weights; 0 without any.

    Args:
        logits: (B, T, K, H, W).
        labels: uint8 (B, T, H, W), classes from 0, 255 to be ignored.
        weights: (K,) of the classes; None: all are worth the same.
    """
    wide, target = logits.flatten(0, 1).float(), labels.flatten(0, 1).long()
    total = F.cross_entropy(wide, target, weight=weights, ignore_index=VOID, reduction="sum")
    valid = target[target != VOID]
    worth = valid.new_tensor(len(valid)).float() if weights is None else weights[valid].sum()
    return total / worth.clamp(min=1e-6)


def median_frequency_weights(frequencies: np.ndarray) -> Tensor:
    """Return weights that make up for rare classes: the median of the frequencies over the frequency of each.

    Args:
        frequencies: (K,), pixels of a class over those of all images that show it; nan for one that is never seen.

    Returns:
        (K,), 10 at most; 1 for a class that is never seen.

    Source: Eigen & Fergus 2015, "Predicting depth, surface normals and semantic labels with a common multi-scale
    convolutional architecture", section 6.3.2.
    """
    weights = np.nanmedian(frequencies) / frequencies
    return torch.from_numpy(np.nan_to_num(weights, nan=1.0).clip(max=MOST_WEIGHT)).float()
