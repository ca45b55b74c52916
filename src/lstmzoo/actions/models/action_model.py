"""What all models for actions share: seeing the frames of a video, and the ways to run over them.

    frames → FrameInput → encoder → the model's own layers → class logits

A model is causal and streams: after T calls of ``model.step(frame, state)`` the logits are those of ``model(video)``
for the T frames.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from lstmzoo.errors import LstmzooError
from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.models.deployment import Deployment, Network, Port, pixels, stream
from lstmzoo.models.encoder_weights import skip_pretrained_weights
from lstmzoo.models.encoders import create_vector_encoder
from lstmzoo.models.frame_input import FrameInput
from lstmzoo.models.model_registry import build_model
from lstmzoo.models.pretrained.hub import PretrainedMixin
from lstmzoo.models.state import detach

State = dict[str, Any]


class ActionModel(PretrainedMixin, nn.Module, ABC):
    """A classifier of videos. A subclass sets `encoder`, adds its layers, and writes `forward_frames`.

    Args:
        num_classes: K, the number of actions.
        input: ``grey``, ``grey+difference`` or ``rgb``; see :class:`~lstmzoo.models.frame_input.FrameInput`.
    """

    pipeline_tag = "video-classification"
    encoder: nn.Module
    """Frames (N, channels, H, W) to features (N, ...): vectors, see `add_encoder`, or maps."""

    def __init__(self, num_classes: int, input: str = "grey") -> None:
        super().__init__()
        check_sizes(num_classes=num_classes)
        self.input = FrameInput(input)

    @property
    def grey(self) -> bool:
        """Whether grey frames (C = 1) are all that the model needs."""
        return self.input.input != "rgb"

    def add_encoder(self, name: str, feature_size: int, pretrained: bool) -> None:
        """Set `encoder` to one of frames to vectors (N, feature_size).

        Args:
            name: one of :func:`lstmzoo.models.list_encoders`.
            feature_size: F, length of a frame's feature vector.
            pretrained: start from ImageNet weights.

        Raises:
            LstmzooError: an unknown name, or weights that do not exist or cannot be downloaded.
        """
        check_sizes(feature_size=feature_size)
        self.encoder = create_vector_encoder(name, self.input.channels, feature_size, pretrained)
        self.input = FrameInput(self.input.input, *self.encoder.normalisation)

    def forward(self, video: Tensor) -> Tensor:
        """Classify whole clips.

        Args:
            video: (B, T, C, H, W) with C = 1 or 3, uint8 in 0..255 or floating in 0..1.

        Returns:
            Logits (B, K).

        Raises:
            ValueError: wrong shape or dtype, or values far outside 0..1 (checked on the CPU only).
        """
        return self.forward_frames(video)[0][:, -1]

    def step(self, frame: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Take in one more frame of every video.

        Args:
            frame: (B, C, H, W).
            state: what the previous call returned; None starts new videos.

        Returns:
            Logits (B, K) given all frames so far, and the state for the next call.
        """
        logits, state = self.forward_frames(frame.unsqueeze(1), state)
        return logits[:, 0], state

    @abstractmethod
    def forward_frames(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Classify after every frame.

        Args:
            video: (B, T, C, H, W), whole videos or the next chunk of them.
            state: what the call for the previous chunk returned; None starts new videos.

        Returns:
            Logits (B, T, K), the t-th given all frames up to t, and the state for the next chunk.
        """

    def supervised_logits(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The logits that the training loss is computed from: here those after the last frame.

        Args:
            video: (B, T, C, H, W), whole clips or the next chunk of them.
            state: what the call for the previous chunk returned.

        Returns:
            Logits (B, S, K), each to be compared with the clip's label, and the state for the next chunk.
        """
        logits, state = self.forward_frames(video, state)
        return logits[:, -1:], state

    def detach_state(self, state: State | None) -> State | None:
        """Detach the state from its graph, for truncated back-propagation through time."""
        return detach(state)

    def deployment(self, step: bool) -> Deployment:
        """Say which networks stand for the model outside of Python; see `lstmzoo.models.deployment`."""
        frame = (1 if self.grey else 3, "height", "width")
        size = "frames are scaled to one size, that of the training unless size= says another"
        fixed = {"height": size, "width": size}
        transform = {"resize": "to the whole size, as OpenCV's INTER_AREA", **self.input.normalisation}
        if step:
            return Deployment(stream(self.step, Port("frame", ("batch", *frame), pixels), fixed=fixed), transform)
        clip = Port("video", ("batch", "time", *frame), pixels)
        return Deployment((Network("clip", lambda video: {"logits": self(video)}, (clip,), fixed=fixed),), transform)

    def features(self, video: Tensor, previous: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Encode every frame.

        Args:
            video: (B, T, C, H, W).
            previous: the state that the call for the previous chunk returned; None starts new videos.

        Returns:
            Features (B, T, ...), and the state of the input.
        """
        frames, previous = self.input(video, previous)
        features = self.encoder(frames.flatten(0, 1))  # (B * T, ...)
        return features.unflatten(0, frames.shape[:2]), previous


def needs_grey(name: str, **arguments: Any) -> bool:
    """Whether a registered model takes grey frames, found out without allocating its weights.

    Raises:
        LstmzooError: it cannot be built like this.
    """
    with skip_pretrained_weights(), torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                model = build_model(name, **arguments)
        except LstmzooError:  # wrong arguments, or a cell of your own that looks at the numbers it makes
            model = build_model(name, **arguments)
    return bool(model.grey)
