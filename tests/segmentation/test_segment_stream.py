"""A video at its own size, frame by frame: what the model says, scaled, mirrored and named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import lstmzoo
from lstmzoo.segmentation.models import SegmentStream, label_map, segment_video, soft_aggregate
from lstmzoo.segmentation.scoring import score_video

SIZE = (32, 48)


def frames(count: int = 4, height: int = 45, width: int = 61) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def first_mask() -> torch.Tensor:
    mask = torch.zeros(45, 61, dtype=torch.uint8)
    mask[5:20, 5:20], mask[25:40, 30:50], mask[:, 60] = 3, 7, 255
    return mask


def scaled(images: torch.Tensor) -> torch.Tensor:
    return F.interpolate(images, SIZE, mode="bilinear", antialias=True)


def test_with_a_first_mask_it_follows_the_objects_by_their_ids() -> None:
    torch.manual_seed(0)
    model = lstmzoo.create_model("segment_guided", cell="lstm", decoder_channels=8).eval()
    stream = SegmentStream(model, SIZE, first_mask())
    found = torch.stack([stream(frame) for frame in frames()])
    assert stream.ids == [3, 7]
    masks = scaled(torch.stack([first_mask() == 3, first_mask() == 7]).float()[None])
    with torch.no_grad():
        logits, _ = model(scaled(frames() / 255)[None], masks)
    expected = F.interpolate(soft_aggregate(logits[0]), (45, 61), mode="bilinear")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    labels = label_map(found[0], stream.ids)
    assert labels.dtype == torch.uint8
    assert {int(labels[12, 12]), int(labels[32, 40]), int(labels[0, 0])} == {3, 7, 0}


@pytest.mark.parametrize("bidirectional", [False, True])
def test_flipping_a_video_with_the_flip_option_flips_the_answer(bidirectional: bool) -> None:
    torch.manual_seed(0)
    model = lstmzoo.create_model("segment_recurrent", decoder_channels=8, bidirectional=bidirectional).eval()
    whole = list(segment_video(model, frames(), SIZE, flip=True))
    mirrored = list(segment_video(model, frames().flip(-1), SIZE, flip=True))
    plain = list(segment_video(model, frames(), SIZE))
    for one, other in zip(whole, mirrored, strict=True):
        assert one.shape == (2, 45, 61)
        torch.testing.assert_close(other.flip(-1), one, atol=1e-5, rtol=0)
    assert not torch.allclose(plain[-1], whole[-1], atol=1e-4)


def test_a_reset_forgets_what_was_before_but_not_the_objects() -> None:
    torch.manual_seed(0)
    plain = lstmzoo.create_model("segment_recurrent", decoder_channels=8).eval()
    parts = [one for part in frames().split(2) for one in segment_video(plain, part, SIZE)]
    for one, other in zip(segment_video(plain, frames(), SIZE, reset_every=2), parts, strict=True):
        torch.testing.assert_close(one, other)
    guided = lstmzoo.create_model("segment_guided", cell="lstm", decoder_channels=8).eval()
    kept, reset = (list(segment_video(guided, frames(), SIZE, first_mask(), reset_every=n)) for n in (None, 2))
    assert torch.equal(kept[1], reset[1])
    assert reset[2].shape == kept[2].shape
    assert not torch.equal(kept[2], reset[2])


@pytest.mark.parametrize("semi_supervised", [False, True])
def test_shuffled_frames_are_scored_with_their_own_masks(semi_supervised: bool) -> None:
    truth = torch.stack([F.pad(torch.ones(8, 8, dtype=torch.uint8), (3 * t, 53 - 3 * t, 20, 17)) for t in range(8)])
    video = 200 * truth.unsqueeze(1).expand(-1, 3, -1, -1)
    item = {"video": video, "masks": truth, "annotated": torch.ones(8, dtype=torch.bool), "official": True}
    item |= {"name": "one", "index": 3}
    seen: list[int] = []

    class Bright:
        """Marks what is bright, and notes where that is."""

        streams = True

        def parameters(self):
            return iter([torch.zeros(1)])

        def step(self, frame, state, masks):
            seen.append(round(float(frame[0, 0].max(0).values.argmax()) / 3))
            return 20 * (frame[:, :1] - 0.2), state

    for shuffle in (False, True):
        seen.clear()
        score = score_video(Bright(), item, (45, 61), semi_supervised=semi_supervised, full_size=True, shuffle=shuffle)
        assert np.mean(score.scores.j) == 1
        assert sorted(seen) == [*range(8)]
        assert (seen == [*range(8)]) != shuffle
        assert not semi_supervised or seen[0] == 0


def test_a_stream_goes_on_from_where_another_ended() -> None:
    torch.manual_seed(0)
    model = lstmzoo.create_model("segment_recurrent", decoder_channels=8).eval()
    whole = list(segment_video(model, frames(), SIZE))
    first, second = SegmentStream(model, SIZE), SegmentStream(model, SIZE)
    parts = [first(frame) for frame in frames()[:2]]
    second.state = first.state
    parts += [second(frame) for frame in frames()[2:]]
    torch.testing.assert_close(torch.stack(parts), torch.stack(whole))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_video_without_frames_has_no_answers(bidirectional: bool) -> None:
    model = lstmzoo.create_model("segment_recurrent", decoder_channels=8, bidirectional=bidirectional).eval()
    assert list(segment_video(model, [], SIZE)) == []


def test_what_cannot_be_streamed_is_named() -> None:
    bidirectional = lstmzoo.create_model("segment_recurrent", decoder_channels=8, bidirectional=True)
    with pytest.raises(ValueError, match="segment_video"):
        SegmentStream(bidirectional, SIZE)
    with pytest.raises(ValueError, match="segment_guided"):
        list(segment_video(bidirectional, frames(), SIZE, first_mask()))
    with pytest.raises(ValueError, match=r"0.*255"):
        SegmentStream(
            lstmzoo.create_model("segment_guided", decoder_channels=8), SIZE, torch.zeros(45, 61, dtype=torch.uint8)
        )


def test_masks_of_further_frames_add_objects_and_correct_others() -> None:
    torch.manual_seed(0)
    model = lstmzoo.create_model("segment_matching", decoder_channels=8).eval()
    first, later = first_mask(), first_mask().flip(0)
    first[first == 7] = 0  # comes with frame 2
    stream = SegmentStream(model, SIZE, first, masks={2: later})
    found = torch.stack([stream(frame) for frame in frames()])
    assert stream.ids == [3, 7]
    before, after = (scaled(torch.stack([mask == 3, mask == 7]).float()[None]) for mask in (first, later))
    video = scaled(frames() / 255)[None]
    with torch.no_grad():
        start, state = model(video[:, :2], before)
        end, _ = model(video[:, 2:], after, state)
    expected = F.interpolate(soft_aggregate(torch.cat([start, end], dim=1)[0]), (45, 61), mode="bilinear")
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert (found[:2, 2] < 1e-3).all()


def test_before_the_first_mask_there_is_nothing() -> None:
    torch.manual_seed(0)
    model = lstmzoo.create_model("segment_matching", decoder_channels=8).eval()
    found = list(segment_video(model, frames(), SIZE, masks={2: first_mask()}))
    assert all(one.shape == (3, 45, 61) for one in found)
    assert all(bool((one[0] > 0.99).all()) for one in found[:2])
    assert int(label_map(found[2], [3, 7])[12, 12]) == 3
