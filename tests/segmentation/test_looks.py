"""Where the looks of the first frame's objects are seen again, against the formula written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lstmzoo.models.segmentation.looks import MOST_PLACES, find_looks, remember_looks


def test_looks_are_the_best_matches_with_the_first_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    first, later = torch.randn(2, 1, 5, 4, 6, generator=generator).double()
    masks = torch.rand(1, 2, 4, 6, generator=generator).double()
    found = find_looks(later, remember_looks(first, masks))
    assert found.shape == (1, 2, 2, 4, 6)
    for k, y, x in np.ndindex(2, 4, 6):
        alike = (1 + F.cosine_similarity(later[0, :, y, x, None, None], first[0], dim=0)) / 2
        assert found[0, k, 0, y, x] == pytest.approx(float((alike * masks[0, k]).max()))
        assert found[0, k, 1, y, x] == pytest.approx(float((alike * (1 - masks[0, k])).max()))


def test_looks_of_large_frames_are_kept_on_a_grid_of_limited_size() -> None:
    looks = remember_looks(torch.ones(1, 3, 61, 107), torch.ones(1, 1, 244, 428))
    assert looks.places.shape[2] <= 1.1 * MOST_PLACES
    assert torch.allclose(looks.places.norm(dim=1), torch.ones(1))
    assert torch.equal(
        find_looks(torch.ones(1, 3, 9, 8), looks),
        torch.stack([torch.ones(1, 9, 8), torch.zeros(1, 9, 8)], 1).unsqueeze(1),
    )
