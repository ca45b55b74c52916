"""Objects that were segmented one by one, brought together in one label map."""

import torch
from torch import Tensor


def soft_aggregate(logits: Tensor) -> Tensor:
    """Let the masks of K objects and the background compete for every pixel.

    With p_k = σ(l_k) and p_0 = Π_k (1 − p_k), every P_k is the share of its odds in the sum of all odds:

        P_k = o_k / Σ_j o_j        o_k = p_k / (1 − p_k)        k, j = 0..K

    One object alone is more probable than the background where l > 0, as without it.

    Source: Oh et al. 2018, "Fast video object segmentation by reference-guided mask propagation", section 3.4.

    Args:
        logits: (..., K, H, W), one sigmoid each.

    Returns:
        Probabilities (..., K + 1, H, W), the background first; they sum to 1.
    """
    background = torch.nn.functional.logsigmoid(-logits).sum(-3, keepdim=True)  # log p_0, (..., 1, H, W)
    # log(p_0 / (1 − p_0)); 1 − p_0 is kept above zero where all objects are very improbable
    odds = background - torch.log(-torch.expm1(background.clamp(max=-1e-6)))
    return torch.cat([odds, logits], dim=-3).softmax(dim=-3)
