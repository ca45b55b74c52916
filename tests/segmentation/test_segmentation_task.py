"""Training and measuring segmenters: what is shown to them, what they are asked for, and how it is scored."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.models import create_model, register_model
from lstmzoo.segmentation import targets
from lstmzoo.segmentation.data.davis import DAVIS
from lstmzoo.segmentation.data.mask_folder import MaskFolder
from lstmzoo.segmentation.data.masks import write_mask
from lstmzoo.segmentation.datamodule import SegmentationDataModule
from lstmzoo.segmentation.losses import LOSSES
from lstmzoo.segmentation.metrics import DavisScores, SequenceScores
from lstmzoo.segmentation.results import occlusion_scores
from lstmzoo.segmentation.targets import choose_objects
from lstmzoo.segmentation.task import SegmentationTask, TeacherForcing
from lstmzoo.training.optimization import windows

COMMON: dict[str, Any] = {"classes": [], "transform": {"size": [32, 48]}, "config": {}}


def task_of(model: str = "segment_guided", args: dict[str, Any] | None = None, **settings: Any) -> SegmentationTask:
    torch.manual_seed(0)
    return SegmentationTask(model, {"decoder_channels": 8, **(args or {})}, **{**COMMON, **settings})


def batch(frames: int = 6) -> dict[str, Tensor]:
    """Two clips: objects 2 and 5 with void around, and object 1 alone, of which one frame is not annotated."""
    video = torch.randint(0, 256, (2, frames, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    masks = torch.zeros(2, frames, 32, 48, dtype=torch.uint8)
    masks[0, :, 2:12, 4:14], masks[0, :, 20:30, 20:40], masks[0, :, 13:19] = 2, 5, 255
    masks[1, :, 5:25, 5:25], masks[1, 2] = 1, 255
    return {"video": video, "masks": masks}


# Training


@pytest.mark.parametrize("cell", [None, "lstm"])
def test_windows_equal_the_loop_written_out(cell: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "choose_objects", lambda *_: torch.tensor([[2, 5], [1, -1]], dtype=torch.int16))
    task = task_of(
        args={"cell": cell}, protocol="semi-supervised", loss="bce", teacher_forcing=TeacherForcing(0.0), tbptt_window=2
    ).double()
    data, state = batch(), None
    gradients: dict[str, Tensor] = {}
    task.zero_grad()
    for frames in windows(6, 2):
        loss, state = task.window_loss(data, frames, state)
        (loss * 2 / 6).backward()
        state = task.model.detach_state(state)
    gradients = {name: p.grad.clone() for name, p in task.model.named_parameters() if p.grad is not None}

    torch.manual_seed(0)
    model: Any = create_model("segment_guided", decoder_channels=8, cell=cell).double()
    objects = torch.stack([data["masks"] == number for number in (2, 5)], dim=2).double()  # (B, T, K, H, W)
    objects[1, :, 0], objects[1, :, 1] = (data["masks"][1] == 1).double(), 0
    valid = (data["masks"] != 255)[:, :, None].expand_as(objects)
    state = None
    for first in (0, 2, 4):
        logits, state = model(data["video"][:, first : first + 2], objects[:, 0] if first == 0 else None, state)
        seen = slice(1 if first == 0 else 0, 2)  # the first frame's masks were given
        y, v = (x[:, first : first + 2][:, seen] for x in (objects, valid))
        losses = nn.functional.binary_cross_entropy_with_logits(logits[:, seen], y, reduction="none")
        (losses[v].mean() * 2 / 6).backward()
        state = model.detach_state(state)
    for name, p in model.named_parameters():
        torch.testing.assert_close(gradients[name], p.grad, atol=1e-9, rtol=1e-6)


def test_the_foreground_is_all_objects_and_void_counts_nowhere() -> None:
    task = task_of("segment_recurrent", loss="bce+dice")
    data = batch()
    loss, _ = task.window_loss(data, slice(None), None)
    with torch.no_grad():
        logits, _ = task.model(data["video"])
    truth, valid = data["masks"].flatten(0, 1), (data["masks"] != 255).flatten(0, 1)
    expected: Any = sum(
        LOSSES[name](logits.flatten(0, 2), (truth > 0).float() * valid, valid) for name in ("bce", "dice")
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_true_previous_masks_become_fewer_with_the_epochs_and_are_never_those_of_frames_without() -> None:
    task = task_of(protocol="semi-supervised", teacher_forcing=TeacherForcing(0.8, 4))
    ids = batch(frames=40)["masks"]
    shares = []
    for epoch in range(6):
        task._trainer = SimpleNamespace(current_epoch=epoch)  # type: ignore[assignment]
        torch.manual_seed(epoch)
        known = torch.cat([task._draw(ids).known for _ in range(20)])
        shares.append(float(known.float().mean()))
        assert not known[1::2, 2].any()
    assert shares == pytest.approx([0.8, 0.6, 0.4, 0.2, 0, 0], abs=0.04)


def test_some_objects_of_a_clip_are_drawn_and_missing_ones_are_empty() -> None:
    task = task_of(protocol="semi-supervised", max_objects=2)
    first = torch.zeros(2, 4, 10, dtype=torch.uint8)
    first[0, 0], first[0, 1], first[0, 2], first[0, 3], first[1, 0] = 3, 7, 9, 255, 4
    torch.manual_seed(0)
    drawn = [choose_objects(first, 2) for _ in range(60)]
    assert {tuple(sorted(n for n in one[0].tolist() if n > 0)) for one in drawn} == {
        (3,), (7,), (9,), (3, 7), (3, 9), (7, 9),
    }  # fmt: skip
    assert all(one[1].tolist() in ([4], [4, -1]) for one in drawn)
    found = next(t for t in (task._draw(first.unsqueeze(1)) for _ in range(20)) if t.objects.shape[2] == 2)
    assert found.objects.shape == (2, 1, 2, 4, 10)
    assert found.objects[1, 0].sum((1, 2)).tolist() == [10, 0]


def test_a_frozen_encoder_learns_nothing_and_others_at_their_own_rate() -> None:
    task = task_of("segment_recurrent", encoder_lr=None)
    assert not any(p.requires_grad for p in task.model.encoder.parameters())
    other = task_of("segment_recurrent", lr=1e-2, encoder_lr=1e-3)
    other._trainer = SimpleNamespace(precision="32-true")  # type: ignore[assignment]
    groups = other.configure_optimizers().param_groups
    assert [group.get("lr_scale", 1.0) for group in groups] == pytest.approx([1.0, 0.1])
    sizes = [sum(p.numel() for p in group["params"]) for group in groups]
    assert sizes == [
        sum(p.numel() for name, p in task.model.named_parameters() if ("encoder." in name) == own)
        for own in (False, True)
    ]


@pytest.mark.parametrize("again", [False, True])
def test_a_frozen_encoder_keeps_its_statistics(again: bool) -> None:
    task = task_of("segment_recurrent", encoder_lr=None)
    if again:  # as after validation
        task.eval().train()
    before = {name: value.clone() for name, value in task.model.encoder.state_dict().items()}
    task.window_loss(batch(), slice(None), None)[0].backward()
    for name, value in task.model.encoder.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    trained = task_of("segment_recurrent")
    trained.window_loss(batch(), slice(None), None)
    assert any((value != before[name]).any() for name, value in trained.model.encoder.state_dict().items())


@pytest.mark.parametrize(
    ("model", "settings", "said"),
    [
        ("segment_recurrent", {"protocol": "semi-supervised"}, "model=segment_guided"),
        ("segment_guided", {"protocol": "semisupervised"}, "'semi-supervised'"),
        ("segment_guided", {"protocol": "semi-supervised", "tbptt_window": 1}, r"tbptt_window .* 2"),
        ("segment_guided", {"max_objects": 0}, "max_objects"),
        ("segment_guided", {"encoder_lr": 0.0}, r"encoder_lr .* 0"),
    ],
)
def test_mistakes_are_named(model: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(LstmzooError, match=said):
        SegmentationTask(model, {}, **{**COMMON, **settings})


@pytest.mark.parametrize("values", [(1.5, 10), (0.5, 0)])
def test_teacher_forcing_has_a_range(values: tuple[float, float]) -> None:
    with pytest.raises(LstmzooError, match=str(values[0])):
        TeacherForcing(*values)


def test_windows_do_not_go_with_two_directions() -> None:
    with pytest.raises(LstmzooError, match="tbptt_window=null"):
        task_of("segment_recurrent", {"bidirectional": True}, tbptt_window=2)


# Measuring


@register_model("test_finds_colours")
class FindsColours(nn.Module):
    """Finds what is red, or with first masks what has the colour that it has there."""

    guided, streams = True, True

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(1, 1)

    def step(self, frame: Tensor, state: Any = None, masks: Tensor | None = None) -> tuple[Tensor, Any]:
        if masks is not None:
            state = torch.einsum("bkhw,bchw->bkc", masks, frame) / masks.sum((2, 3))[..., None]
        wanted = torch.tensor([[[1.0, 0.0, 0.0]]]) if state is None else state  # (B, K, 3)
        distance = (frame[:, None] - wanted[..., None, None]).abs().sum(2)
        return 40 * (0.5 - distance), state


COLOURS = {1: (255, 0, 0), 2: (0, 255, 0), 3: (0, 0, 255)}


def write_videos(
    root: Path, names: tuple[str, ...] = ("one", "two"), frames: int = 8, masked: Any = lambda t: True
) -> Path:
    """Moving squares of three colours on black, at a size that is no multiple of anything; the second is mirrored."""
    for name in names:
        for t in range(frames):
            ids = np.zeros((45, 67), np.uint8)
            for number in COLOURS:
                ids[12 * number - 8 : 12 * number, 3 * t + 5 : 3 * t + 25] = number
            ids = ids[:, ::-1] if name == "two" else ids
            frame = np.zeros((45, 67, 3), np.uint8)
            for number, colour in COLOURS.items():
                frame[ids == number] = colour
            for kind, picture, suffix in (("JPEGImages", frame, "jpg"), ("Annotations", ids, "png")):
                path = root / kind / name / f"{t:05d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                image = Image.fromarray(np.ascontiguousarray(picture))
                if suffix == "png":
                    image.putpalette(bytes(range(256)) * 3)
                if suffix == "jpg" or masked(t):
                    image.save(path, **({"quality": 100, "subsampling": 0} if suffix == "jpg" else {}))
    (root / "ImageSets").mkdir()
    for split in ("train", "val"):
        (root / "ImageSets" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


def measured(task: SegmentationTask, root: Path, **options: Any) -> Any:
    task.eval()
    dataset = DAVIS(root, "val")
    for index in range(len(dataset)):
        task._measure(dataset[index], **{"full_size": True, "flip": False, "examples": True, **options})
    task._trainer = SimpleNamespace(world_size=1)  # type: ignore[assignment]
    return task._collect()


@pytest.mark.parametrize("full_size", [True, False])
@pytest.mark.parametrize("flip", [False, True])
def test_the_right_masks_score_well_at_any_size(tmp_path: Path, full_size: bool, flip: bool) -> None:
    root = write_videos(tmp_path / "data")
    task = SegmentationTask(
        "test_finds_colours", {}, protocol="semi-supervised", **{**COMMON, "transform": {"size": [90, 134]}}
    )
    found = measured(task, root, full_size=full_size, flip=flip)
    assert [one.scores.name for one in found] == ["one", "two"]
    assert all(one.scores.j.shape == (3, 6) for one in found)  # without the first and the last frame
    assert min(one.scores.j.min() for one in found) > 0.97


def test_the_foreground_is_scored_as_one_object(tmp_path: Path) -> None:
    found = measured(SegmentationTask("test_finds_colours", {}, **COMMON), write_videos(tmp_path / "data"))
    # all three squares are the foreground, and only the red one is found
    assert all(one.scores.j.shape == (1, 6) for one in found)
    assert np.concatenate([one.scores.j for one in found]) == pytest.approx(1 / 3, abs=0.03)
    assert found[0].examples[0].j == found[0].scores.j.min()
    assert found[0].examples[1].j == found[0].scores.j.max()


def test_partly_annotated_videos_are_followed_from_the_first_mask_and_scored_where_there_are_masks(
    tmp_path: Path,
) -> None:
    root = write_videos(tmp_path / "data", masked=lambda t: t in (2, 3, 5, 7))
    task = SegmentationTask("test_finds_colours", {}, protocol="semi-supervised", **COMMON)
    found = measured(task, root)
    assert all(one.scores.frames == ["3", "5"] for one in found)
    assert min(one.scores.j.min() for one in found) > 0.8
    worst = found[0].examples[0]
    assert worst.frame[worst.truth == 2][:, 1].mean() > 230  # frame and mask are of the same moment


def test_what_cannot_be_scored_is_named_before_the_training(tmp_path: Path) -> None:
    root = write_videos(tmp_path / "data", masked=lambda t: t < 2)
    data = SegmentationDataModule(MaskFolder, root, size=(32, 48))
    with pytest.raises(DataError, match=r"one .*val.* 2 masks.* 3"):
        data.setup("fit")
    with pytest.raises(TypeError, match="clip_length"):
        SegmentationDataModule(MaskFolder, root, clip_length=3)


def test_the_sequence_length_is_that_of_a_clip(tmp_path: Path) -> None:
    data = SegmentationDataModule(MaskFolder, write_videos(tmp_path / "data"), size=(32, 48), clip_len=5)
    data.setup("fit")
    assert data.sequence_length == len(data.train_dataset[0]["video"]) == 5


def test_a_video_whose_object_comes_too_late_is_named_before_the_training(tmp_path: Path) -> None:
    """Four masks, of which the first two are empty: enough to find the foreground, too few to follow an object."""
    root = write_videos(tmp_path / "data", masked=lambda t: t < 4)
    for t in range(2):
        path = root / "Annotations" / "two" / f"{t:05d}.png"
        with Image.open(path) as image:
            empty = image.point(lambda value: 0)
        empty.save(path)
    data = SegmentationDataModule(MaskFolder, root, size=(32, 48), semi_supervised=True)
    with pytest.raises(DataError, match=r"two .*val.* 2 masks"):
        data.setup("fit")
    SegmentationDataModule(MaskFolder, root, size=(32, 48)).setup("fit")
    found = measured(SegmentationTask("test_finds_colours", {}, protocol="semi-supervised", **COMMON), root)
    assert [one.scores.name for one in found] == ["one"]


def test_objects_too_small_for_the_size_of_the_model_are_followed_at_that_of_the_files(tmp_path: Path) -> None:
    root = write_videos(tmp_path / "data")
    task = SegmentationTask(
        "test_finds_colours", {}, protocol="semi-supervised", **{**COMMON, "transform": {"size": [2, 2]}}
    )
    found = measured(task, root, full_size=False)
    assert [one.scores.j.shape for one in found] == [(3, 6), (3, 6)]


def test_occluded_frames_are_averaged_as_they_are_listed() -> None:
    def scores(name: str, j: list[list[float]]) -> SequenceScores:
        values = np.array(j)
        return SequenceScores(name, ["1", "2", "3"], values, values, np.arange(1, len(values) + 1))

    found = occlusion_scores(
        DavisScores(
            [scores("a", [[0.5, 0.1, 0.9], [0.7, 0.3, 0.5]]), scores("b", [[1, 1, 1]]), scores("c", [[0.8, 0.6, 0.4]])]
        ),
        {
            "a": {"during": [2], "after": [3]},
            "b": {"during": [], "after": []},
            "c": {"during": [0, 1, 2], "after": [3]},
        },
    )
    assert found["J-during"] == pytest.approx((0.2 + 0.8 + 0.6) / 3)
    assert found["J-after"] == pytest.approx((0.7 + 0.4) / 2)
    assert found["J&F-Mean"] == pytest.approx((0.5 + 0.5 + 0.6) / 3)
    assert occlusion_scores(DavisScores([scores("b", [[1, 1, 1]])]), {}) == {}


def test_objects_that_the_first_mask_does_not_show_are_named_and_not_scored(tmp_path: Path) -> None:
    """The model is given nothing else; the numbers of the others may jump."""
    root = write_videos(tmp_path / "data")
    for t in range(8):
        path = root / "Annotations" / "two" / f"{t:05d}.png"
        with Image.open(path) as image:
            mask = np.asarray(image)
        write_mask(path, np.where(mask == 3, 9 if t > 2 else 0, np.where(mask == 2, 7, mask)))
    task = SegmentationTask("test_finds_colours", {}, protocol="semi-supervised", **COMMON)
    with pytest.warns(DataWarning, match=r"two: .* objects 9"):
        found = measured(task, root)
    assert [one.scores.numbers for one in found] == [(1, 2, 3), (1, 7)]
