"""Action recognition: a recurrent network over the frames of a video, and its two twins without memory.

    frames → FrameInput → encoder → recurrent layers → readout → class logits      action_rnn
    frames → FrameInput → encoder → class logits of every frame → mean             action_framewise
    frames → FrameInput → encoder → mean over time → class logits                  action_meanpool

All of them are causal and stream: after T calls of ``model.step(frame, state)`` the logits are those of
``model(video)`` for the T frames.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from lstmzoo.actions.models.readout import WeightedMean, build_readout
from lstmzoo.models.checks import check_sizes, find_cell
from lstmzoo.models.encoders import create_vector_encoder
from lstmzoo.models.frame_input import FrameInput
from lstmzoo.models.registry import register_model
from lstmzoo.models.state import detach
from lstmzoo.nn import Recurrent, init

State = dict[str, Any]


class ActionModel(nn.Module):
    """What the three models share: seeing the frames, and the ways to run over them.

    Args:
        num_classes: K, the number of actions.
        encoder: one of :func:`lstmzoo.models.list_encoders`.
        feature_size: F, length of a frame's feature vector.
        pretrained_encoder: start the encoder from ImageNet weights.
        input: ``grey``, ``grey+difference`` or ``rgb``; see :class:`~lstmzoo.models.frame_input.FrameInput`.
    """

    def __init__(self, num_classes: int, encoder: str, feature_size: int, pretrained_encoder: bool, input: str) -> None:
        super().__init__()
        check_sizes(num_classes=num_classes, feature_size=feature_size)
        channels = FrameInput(input).channels
        self.encoder = create_vector_encoder(encoder, channels, feature_size, pretrained_encoder)
        self.input = FrameInput(input, *self.encoder.normalisation)

    def forward(self, video: Tensor) -> Tensor:
        """Classify whole clips.

        Args:
            video: (B, T, C, H, W) with C = 1 or 3, uint8 in 0..255 or floating in 0..1.

        Returns:
            Logits (B, K).

        Raises:
            ValueError: wrong shape or dtype, or numbers far out of 0..1 (looked for on the CPU only).
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

    def forward_frames(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Classify after every frame.

        Args:
            video: (B, T, C, H, W), whole videos or the next chunk of them.
            state: what the call for the previous chunk returned; None starts new videos.

        Returns:
            Logits (B, T, K), the t-th given all frames up to t, and the state for the next chunk.
        """
        raise NotImplementedError

    def supervised_logits(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The logits the training loss is taken of: here those after the last frame.

        Args:
            video: (B, T, C, H, W), whole clips or the next chunk of them.
            state: what the call for the previous chunk returned.

        Returns:
            Logits (B, S, K), each to be compared with the clip's label, and the state for the next chunk.
        """
        logits, state = self.forward_frames(video, state)
        return logits[:, -1:], state

    def detach_state(self, state: State | None) -> State | None:
        """Cut the state off from the graph it came from, for truncated back-propagation through time."""
        return detach(state)

    def _features(self, video: Tensor, previous: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Every frame's features (B, T, F), and the state of the input."""
        frames, previous = self.input(video, previous)
        features = self.encoder(frames.flatten(0, 1))  # (B * T, F)
        return features.unflatten(0, frames.shape[:2]), previous


@register_model("action_rnn")
class ActionRNN(ActionModel):
    """A recurrent network over the frames (Donahue et al., "Long-term Recurrent Convolutional Networks", CVPR 2015).

    Args:
        num_classes: K, the number of actions.
        cell: one of :func:`lstmzoo.nn.list_cells`, or the place of one's own, ``my_module:MyCell``.
        hidden_size: H, units per recurrent layer.
        num_layers: recurrent layers.
        dropout: share of values dropped between the layers and before the classifier, in training.
        encoder: one of :func:`lstmzoo.models.list_encoders`.
        feature_size: F, length of a frame's feature vector.
        pretrained_encoder: start the encoder from ImageNet weights.
        readout: ``last``, ``mean``, ``max``, ``linear`` or ``attention``; see :mod:`lstmzoo.actions.models.readout`.
        input: ``grey``, ``grey+difference`` or ``rgb``.
        forget_bias: initial bias of the forget gate, so that the memory starts out keeping (Gers et al. 2000); None
            leaves it as initialised. Cells without a gate that decides what is kept ignore it.
    """

    def __init__(
        self,
        num_classes: int = 6,
        cell: str = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        dropout: float = 0.0,
        encoder: str = "small_cnn",
        feature_size: int = 128,
        pretrained_encoder: bool = False,
        readout: str = "last",
        input: str = "grey",
        forget_bias: float | None = 1.0,
    ) -> None:
        super().__init__(num_classes, encoder, feature_size, pretrained_encoder, input)
        core = find_cell(cell)
        self.rnn = Recurrent(
            core,
            feature_size,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
            forget_bias=init.forget_bias_for(core, forget_bias),
        )
        self.readout = build_readout(readout, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_size, num_classes)

    def forward_frames(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        state = state or {"input": None, "rnn": None, "readout": None}
        x, previous = self._features(video, state["input"])
        h, memory = self.rnn(x, state["rnn"])  # (B, T, H)
        pooled, sums = self.readout(h, state["readout"])  # (B, T, H)
        logits = self.classifier(self.dropout(pooled))
        return logits, {"input": previous, "rnn": memory, "readout": sums}


@register_model("action_framewise")
class ActionFramewise(ActionModel):
    """The twin without memory: every frame is classified alone; a clip is decided by the mean log-probabilities.

    (With ``input="grey+difference"`` a frame is seen together with its difference from the one before.)

    Args:
        num_classes: K, the number of actions.
        hidden_size: H; the classifier has as many weights as an LSTM of this size.
        dropout: share of values dropped before the classifier's last map, in training.
        encoder: one of :func:`lstmzoo.models.list_encoders`.
        feature_size: F, length of a frame's feature vector.
        pretrained_encoder: start the encoder from ImageNet weights.
        input: ``grey``, ``grey+difference`` or ``rgb``.
    """

    def __init__(
        self,
        num_classes: int = 6,
        hidden_size: int = 128,
        dropout: float = 0.0,
        encoder: str = "small_cnn",
        feature_size: int = 128,
        pretrained_encoder: bool = False,
        input: str = "grey",
    ) -> None:
        super().__init__(num_classes, encoder, feature_size, pretrained_encoder, input)
        self.classifier = _mlp(feature_size, hidden_size, num_classes, dropout)
        self.mean = WeightedMean()

    def forward_frames(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        state = state or {"input": None, "mean": None}
        x, previous = self._features(video, state["input"])
        log_probabilities = self.classifier(x).log_softmax(2)  # (B, T, K)
        decided, sums = self.mean(log_probabilities, state["mean"])
        return decided, {"input": previous, "mean": sums}

    def supervised_logits(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The logits of every frame by itself, (B, T, K): each is to answer alone."""
        x, previous = self._features(video, state["input"] if state else None)
        return self.classifier(x), {"input": previous, "mean": None}


@register_model("action_meanpool")
class ActionMeanPool(ActionModel):
    """The twin blind to order: the mean of the frames' features is classified.

    (With ``input="grey+difference"`` the order shows in the differences.)

    Args:
        num_classes: K, the number of actions.
        hidden_size: H; the classifier has as many weights as an LSTM of this size.
        dropout: share of values dropped before the classifier's last map, in training.
        encoder: one of :func:`lstmzoo.models.list_encoders`.
        feature_size: F, length of a frame's feature vector.
        pretrained_encoder: start the encoder from ImageNet weights.
        input: ``grey``, ``grey+difference`` or ``rgb``.
    """

    def __init__(
        self,
        num_classes: int = 6,
        hidden_size: int = 128,
        dropout: float = 0.0,
        encoder: str = "small_cnn",
        feature_size: int = 128,
        pretrained_encoder: bool = False,
        input: str = "grey",
    ) -> None:
        super().__init__(num_classes, encoder, feature_size, pretrained_encoder, input)
        self.mean = WeightedMean()
        self.classifier = _mlp(feature_size, hidden_size, num_classes, dropout)

    def forward_frames(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        state = state or {"input": None, "mean": None}
        x, previous = self._features(video, state["input"])
        pooled, sums = self.mean(x, state["mean"])  # (B, T, F)
        return self.classifier(pooled), {"input": previous, "mean": sums}


def _mlp(feature_size: int, hidden_size: int, num_classes: int, dropout: float) -> nn.Module:
    """A classifier with 4H(F + H) hidden weights: those of the four gates of an LSTM."""
    check_sizes(hidden_size=hidden_size)
    return nn.Sequential(
        nn.Linear(feature_size, 4 * hidden_size),
        nn.ReLU(),
        nn.Linear(4 * hidden_size, hidden_size),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden_size, num_classes),
    )
