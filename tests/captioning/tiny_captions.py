"""What the tests of captioners share: a tiny data set on disk, and tiny models."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from lstmzoo.captioning.data.vocabulary import Vocabulary
from lstmzoo.models import checkpoint_metadata, create_model, list_models
from lstmzoo.registry import models
from lstmzoo.settings import settings_of

COLOURS = {"red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0)}  # BGR
MODELS = list_models("caption*")
WORDS = Vocabulary([*COLOURS, "a", "and", "field", "left", "of"])
SIZES = {"hidden_size": 6, "embedding_size": 5, "feature_size": 4, "attention_size": 3}


def write_captions(root: Path, images: int = 24) -> Path:
    """Pictures of one colour left and one right, two captions each, as csv with split lists: 2/3, 1/6, 1/6."""
    (root / "Images").mkdir(parents=True)
    rows, lists = [], {"train": [], "val": [], "test": []}  # type: ignore[var-annotated]
    names = list(COLOURS)
    for number in range(images):
        left, right = names[number % 3], names[number // 3 % 3]
        image = np.zeros((40, 60, 3), np.uint8)
        image[:, :30], image[:, 30:] = COLOURS[left], COLOURS[right]
        cv2.imwrite(str(root / "Images" / f"{number:02d}.png"), image)
        rows += [
            (f"{number:02d}.png", f"A {left} field, left of a {right} field ."),
            (f"{number:02d}.png", f"{left} and {right}"),
        ]
        lists[("train", "train", "train", "train", "val", "test")[number % 6]].append(f"{number:02d}.png")
    with open(root / "captions.txt", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "caption"])
        writer.writerows(rows)
    for split, found in lists.items():
        (root / f"{split}.txt").write_text("\n".join(found) + "\n")
    return root


def tiny_model(name: str, vocab_size: int = 8, **more: Any) -> Any:
    """A captioner of a few units, in double precision and evaluation mode."""
    known = settings_of(models.get(name).target)
    sizes = {key: size for key, size in SIZES.items() if key in known}
    torch.manual_seed(0)
    model = create_model(name, vocab_size=vocab_size, dropout=0.0, **{**sizes, **more}).double().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1 and parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.7)  # outspoken, so that mistakes show
    return model


def write_checkpoint(
    path: Path, name: str, *, seed: int = 0, data: Any = None, config: Any = None, **more: Any
) -> Path:
    """A captioner as a run leaves it, with an encoder trained by that run; `data` are those of its configuration."""
    model = tiny_model(name, vocab_size=len(WORDS), **more).float()
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter *= 1 + 0.2 * torch.randn_like(parameter)
    metadata = checkpoint_metadata(
        name,
        model.model_args,
        [],
        {"size": [model.encoder.image_size] * 2},
        config=config or {"data": dict(data or {})},
        vocabulary=WORDS.to_dict(),
    )
    weights = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"lstmzoo": metadata, "state_dict": weights}, path)
    return path


def features(images: int, regions: int = 9, seed: int = 1) -> torch.Tensor:
    """Features of some images as the small encoder's, (B, N, 128)."""
    return torch.rand(images, regions, 128, generator=torch.Generator().manual_seed(seed)).double()
