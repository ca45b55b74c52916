"""A recurrent network over the frames of a video.

frames → FrameInput → encoder → recurrent layers → readout → class logits
"""

from typing import Literal

from torch import Tensor, nn

from lstmzoo.actions.models.action_model import ActionModel, State
from lstmzoo.actions.models.readout import build_readout
from lstmzoo.models.argument_checks import find_cell
from lstmzoo.models.model_registry import register_model
from lstmzoo.models.recurrent_layers import FORGET_BIAS
from lstmzoo.nn import Recurrent, init


@register_model("action_rnn")
class ActionRNN(ActionModel):
    """Frames -> encoder -> recurrent cell -> readout -> classes.

    Source: Donahue et al., "Long-term Recurrent Convolutional Networks for Visual Recognition and Description", CVPR
    2015.

    Args:
        num_classes: K, the number of actions.
        cell: any of ``lstmzoo list cells``, or one of your own: my_module:MyCell.
        hidden_size: H, units per recurrent layer.
        num_layers: recurrent layers.
        dropout: share of values dropped between the layers and before the classifier, in training, 0..1.
        encoder: small_cnn or a pretrained network, e.g. resnet18; see :func:`lstmzoo.models.list_encoders`.
        feature_size: F, features per frame.
        pretrained_encoder: start the encoder from ImageNet weights.
        input: grey, grey+difference or rgb.
        readout: how outputs over time become one vector: last, mean, max, linear or attention.
        forget_bias: bias of the forget gate at the start, so that the memory keeps from the first step on; auto: by the
            length of the training sequences; null: as drawn. Cells without a gate that decides what is kept ignore it.
        chrono: in place of forget_bias, the longest time span to remember at the start, in steps.
    """

    def __init__(
        self,
        num_classes: int = 6,
        cell: str = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        dropout: float = 0.2,
        encoder: str = "small_cnn",
        feature_size: int = 128,
        pretrained_encoder: bool = False,
        input: Literal["grey", "grey+difference", "rgb"] = "grey",
        readout: Literal["last", "mean", "max", "linear", "attention"] = "linear",
        forget_bias: init.ForgetBias = FORGET_BIAS,
        chrono: int | None = None,
    ) -> None:
        super().__init__(num_classes, input)
        self.add_encoder(encoder, feature_size, pretrained_encoder)
        core = find_cell(cell)
        self.rnn = Recurrent(
            core,
            feature_size,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
            forget_bias=init.forget_bias_for(core, forget_bias),
            chrono=init.forget_bias_for(core, chrono),
        )
        self.readout = build_readout(readout, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(hidden_size, num_classes)

    def forward_frames(self, video: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        state = state or {"input": None, "rnn": None, "readout": None}
        x, previous = self.features(video, state["input"])
        h, memory = self.rnn(x, state["rnn"])  # (B, T, H)
        pooled, sums = self.readout(h, state["readout"])  # (B, T, H)
        logits = self.classifier(self.dropout(pooled))
        return logits, {"input": previous, "rnn": memory, "readout": sums}
