"""What all segmentation models share: frames in, a mask for every object out, whole clips or frame by frame."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError
from lstmzoo.models.deployment import Deployment, Network, Port, masks, pixels, stream
from lstmzoo.models.encoders import create_pyramid
from lstmzoo.models.pretrained.hub import PretrainedMixin
from lstmzoo.models.state import detach
from lstmzoo.segmentation.models.core import Core
from lstmzoo.segmentation.models.decoder import Decoder

State = dict[str, Any]
FRAMES_AT_ONCE = 4  # that the encoder sees outside of training: 16 take more memory, and on the CPU more time for each


class Segmenter(PretrainedMixin, nn.Module, ABC):
    """Frames → feature pyramid → decoder with cores → a logit for every pixel.

    A subclass is registered by `register_model` and says what its cores are.

    Args:
        levels: strides of the decoder at which there is a core.
        decoder_channels: channels of the decoder's maps and of every core, a multiple of 8.
        encoder: small, efficientnet_lite0 or another network of timm, e.g. resnet18.
        pretrained_encoder: start the encoder from ImageNet weights (all but small).
        dropout: share of the channels of the encoder's maps that are dropped in training, others in every frame.
        num_classes: K, the classes of a pixel; 0: one logit, that of the foreground or of an object.
    """

    pipeline_tag = "image-segmentation"
    guided: ClassVar[bool] = False  # whether masks of objects may be given; one that is not finds the foreground
    streams: bool = True  # whether frames can be taken in one after the other
    in_order: ClassVar[bool] = True  # whether its cores see the frames in their order in the video

    def __init__(
        self,
        levels: Sequence[int] = (16, 8),
        decoder_channels: int = 32,
        encoder: str = "small",
        pretrained_encoder: bool = False,
        dropout: float = 0.0,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        if num_classes < 0 or num_classes == 1:
            raise LstmzooError(f"num_classes={num_classes}: it is 2 or more, or 0 for the foreground")
        if num_classes and self.guided:
            raise LstmzooError(
                f"{type(self).__name__} marks objects and gives no class to every pixel (num_classes={num_classes}); "
                "choose model=segment_recurrent or model=segment_framewise"
            )
        self.num_classes = num_classes
        self.encoder = create_pyramid(encoder, pretrained_encoder)
        strides, channels = self.encoder.strides, self.encoder.channels
        self.decoder = Decoder(strides, channels, decoder_channels, levels, self.build_core, dropout, num_classes)

    @abstractmethod
    def build_core(self, channels: int) -> Core:
        """Make the core of one level of the decoder, whose maps have so many channels.

        It is called by the constructor of this class: set plain attributes that it needs before ``super().__init__``.
        """

    @abstractmethod
    def forward(self, video: Tensor, masks: Tensor | None = None, state: State | None = None) -> tuple[Tensor, State]:
        """Segment whole clips, or the next chunk of them.

        Args:
            video: (B, T, 3, H, W), uint8 in 0..255 or floating in 0..1, of any size.
            masks: (B, K, H, W) in 0..1, the masks of K objects in the first of these frames; guided models only. They
                may be given with a state, too, also for objects that are new (see `SegmentGuided`).
            state: what the call for the frames before returned; None starts new videos.

        Returns:
            Logits (B, T, K, H, W), a sigmoid for each of K objects (without masks K = 1, the foreground) or a softmax
            over K classes, and the state for the frames after.

        Raises:
            ValueError: wrong shapes, numbers far out of their range (looked for on the CPU only), a state of other
                videos, or what this model cannot do.
        """

    def step(self, frame: Tensor, state: State | None = None, masks: Tensor | None = None) -> tuple[Tensor, State]:
        """Take in one more frame of every video; the memory this needs does not grow.

        Args:
            frame: (B, 3, H, W).
            state: what the previous call returned; None starts new videos.
            masks: (B, K, H, W), as for `forward`.

        Returns:
            Logits (B, K, H, W), and the state for the next call.
        """
        logits, state = self(frame.unsqueeze(1), masks, state)
        return logits[:, 0], state

    def detach_state(self, state: State | None) -> State | None:
        """Cut the state off from the graph it came from, for truncated back-propagation through time."""
        return detach(state)

    def carried(self, state: State) -> State:
        """The state in the form that it keeps from frame to frame, whatever was given with the first one."""
        return state

    def deployment(self, step: bool) -> Deployment:
        """Say which networks stand for the model outside of Python; see `lstmzoo.models.deployment`."""
        image = (3, "height", "width")
        given = (Port("masks", ("batch", "objects", "height", "width"), masks),) if self.guided else ()
        transform = {"resize": "bilinear, antialiased", **self.encoder.input.normalisation}
        size = "frames are scaled to one size, that of the training unless size= says another"
        fixed = {"height": size, "width": size}
        if step:
            if not self.streams:
                raise LstmzooError(
                    "step=true: a bidirectional network reads the whole video before its first answer; leave it out"
                )
            frame = Port("frame", ("batch", *image), pixels)
            return Deployment(stream(self.step, frame, given, self.carried, fixed), transform)
        if self.guided:
            fixed["time"] = (
                "the masks of each frame enter with the next one, a loop that is written out; step=true has none"
            )
        video = Port("video", ("batch", "time", *image), pixels)
        clip = Network("clip", lambda *tensors: {"logits": self(*tensors)[0]}, (video, *given), fixed=fixed)
        return Deployment((clip,), transform)

    def reset_memory(self, state: State | None) -> State | None:
        """Reset the cores' memory in a state; masks and prototypes of objects stay, where the model is given masks."""
        return None

    def _maps(self, video: Tensor) -> list[Tensor]:
        """What the model makes of every frame by itself, (B, T, D, h, w), the finest of the decoder's maps first."""
        if self.training or torch.compiler.is_exporting():  # batch normalisation sees all frames at once
            return self._project(self.encoder(video))
        parts = [self._project(self.encoder(chunk)) for chunk in video.split(FRAMES_AT_ONCE, dim=1)]
        return [torch.cat(pieces, dim=1) for pieces in zip(*parts, strict=True)]

    def _project(self, maps: list[Tensor]) -> list[Tensor]:
        """The encoder's maps at the decoder's width; a subclass may add others."""
        return self.decoder.laterals(maps)

    def _full_size(self, logits: Tensor, size: torch.Size) -> Tensor:
        """Logits (..., h, w) at the decoder's finest stride → (..., H, W)."""
        flat = logits.flatten(0, -3).unsqueeze(1)
        full = F.interpolate(flat, scale_factor=self.encoder.strides[0], mode="bilinear", align_corners=False)
        return full[:, 0, : size[0], : size[1]].unflatten(0, logits.shape[:-2])
