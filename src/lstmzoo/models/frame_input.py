"""From the frames of a video file to what an encoder sees."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.models.argument_checks import check_range

GREY_MEAN, GREY_STD = 0.5, 0.25
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV's grey

INPUTS = {"grey": 1, "grey+difference": 2, "rgb": 3}


class FrameInput(nn.Module):
    """Convert, normalise and, if asked, difference the frames of a video.

    ===================  =========================================================================================
    ``grey``             (y − 0.5) / 0.25; a video in colour is first weighed by luma
    ``grey+difference``  grey, and grey minus the previous frame's grey (zero for the first frame)
    ``rgb``              (x − mean) / std per channel, of ImageNet if not given; a grey video is repeated three times
    ===================  =========================================================================================

    The constants are fixed, never those of the clip: what is shown of a frame must not depend on later frames.

    Args:
        input: one of the above.
        mean: of each colour in 0..1, for ``rgb``.
        std: of each colour, for ``rgb``.

    Attributes:
        channels: number of channels that come out: 1, 2 or 3.

    Raises:
        LstmzooError: unknown ``input``.
    """

    mean: Tensor
    std: Tensor
    luma: Tensor

    def __init__(
        self, input: str = "grey", mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
    ) -> None:
        super().__init__()
        if input not in INPUTS:
            raise LstmzooError(unknown_choice("input", input, INPUTS))
        self.input = input
        self.channels = INPUTS[input]
        if input != "rgb":
            mean, std = (GREY_MEAN,), (GREY_STD,)
        # The buffers are constants of `input`, so they stay out of the state_dict.
        self.register_buffer("mean", torch.tensor(tuple(mean)).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(tuple(std)).view(-1, 1, 1), persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA).view(3, 1, 1), persistent=False)

    @property
    def normalisation(self) -> dict[str, list[float]]:
        """Mean and std of each channel in 0..1, as a transform says it; they are applied in `forward`."""
        return {"mean": self.mean.flatten().tolist(), "std": self.std.flatten().tolist()}

    def forward(self, video: Tensor, previous: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Prepare the frames.

        Args:
            video: (B, T, C, H, W) with C = 1 or 3, uint8 in 0..255 or floating in 0..1.
            previous: the state this returned for the preceding frames of the same video.

        Returns:
            Frames (B, T, channels, H, W) and the state: the last grey frame (B, 1, H, W) if differences are made of it,
            else None.

        Raises:
            ValueError: wrong shape or dtype, or numbers far out of 0..1 (looked for on the CPU only).
        """
        _check(video)
        x = video.to(self.mean.dtype)
        if video.dtype == torch.uint8:
            x = x / 255
        if self.input == "rgb":
            x = x.expand(-1, -1, 3, -1, -1)
        elif x.shape[2] == 3:
            x = (x * self.luma).sum(2, keepdim=True)
        x = (x - self.mean) / self.std  # (B, T, 1 or 3, H, W)
        if self.input != "grey+difference":
            return x, None
        before = x[:, :1] if previous is None else previous.unsqueeze(1)
        difference = x - torch.cat([before, x[:, :-1]], dim=1)
        return torch.cat([x, difference], dim=2), x[:, -1]

    def extra_repr(self) -> str:
        return repr(self.input)


def _check(video: Tensor) -> None:
    shape = tuple(video.shape)
    if video.dim() != 5 or shape[2] not in (1, 3):
        raise ValueError(f"a video is (batch, time, channels 1 or 3, height, width); got shape {shape}")
    if 0 in shape:
        raise ValueError(f"an empty video: shape {shape}")
    if video.dtype != torch.uint8 and not video.is_floating_point():
        raise ValueError(f"a video is uint8 in 0..255 or floating in 0..1; got {video.dtype} of shape {shape}")
    if video.is_floating_point():
        check_range("video", video)
