"""Two baselines without memory for the recurrent network, with the same encoder and as many weights.

frames → FrameInput → encoder → class logits of every frame → mean             action_framewise
frames → FrameInput → encoder → mean over time → class logits                  action_meanpool
"""

from typing import Literal

from torch import Tensor, nn

from lstmzoo.actions.models.action_model import ActionModel, State
from lstmzoo.actions.models.readout import WeightedMean
from lstmzoo.models.argument_checks import check_sizes
from lstmzoo.models.model_registry import register_model


class _Baseline(ActionModel):
    """An encoder, a classifier with 4H(F + H) hidden weights (those of the four gates of an LSTM), and a mean.

    Args:
        num_classes: K, the number of actions.
        hidden_size: H; the classifier has as many weights as an LSTM of this size.
        dropout: share of values dropped before the classifier's last layer, in training, 0..1.
        encoder: small_cnn or a pretrained network, e.g. resnet18; see :func:`lstmzoo.models.list_encoders`.
        feature_size: F, features per frame.
        pretrained_encoder: start the encoder from ImageNet weights.
        input: grey, grey+difference or rgb.
    """

    def __init__(
        self,
        num_classes: int = 6,
        hidden_size: int = 128,
        dropout: float = 0.2,
        encoder: str = "small_cnn",
        feature_size: int = 128,
        pretrained_encoder: bool = False,
        input: Literal["grey", "grey+difference", "rgb"] = "grey",
    ) -> None:
        super().__init__(num_classes, input)
        self.add_encoder(encoder, feature_size, pretrained_encoder)
        check_sizes(hidden_size=hidden_size)
        self.classifier = nn.Sequential(
            nn.Linear(feature_size, 4 * hidden_size),
            nn.ReLU(),
            nn.Linear(4 * hidden_size, hidden_size),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, num_classes),
        )
        self.mean = WeightedMean()


@register_model("action_framewise")
class ActionFramewise(_Baseline):
    """The baseline without memory: every frame is classified alone; the mean log-probabilities decide.

    (With ``input="grey+difference"`` a frame is seen together with its difference from the one before.)
    """

    def forward_frames(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        state = state or {"input": None, "mean": None}
        x, previous = self.features(video, state["input"])
        log_probabilities = self.classifier(x).log_softmax(2)  # (B, T, K)
        decided, sums = self.mean(log_probabilities, state["mean"])
        return decided, {"input": previous, "mean": sums}

    def supervised_logits(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The logits of every frame by itself, (B, T, K): each has to answer alone."""
        x, previous = self.features(video, state["input"] if state else None)
        return self.classifier(x), {"input": previous, "mean": None}


@register_model("action_meanpool")
class ActionMeanPool(_Baseline):
    """The baseline blind to order: the mean of the frames' features is classified.

    (With ``input="grey+difference"`` the order shows in the differences.)
    """

    def forward_frames(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        state = state or {"input": None, "mean": None}
        x, previous = self.features(video, state["input"])
        pooled, sums = self.mean(x, state["mean"])  # (B, T, F)
        return self.classifier(pooled), {"input": previous, "mean": sums}
