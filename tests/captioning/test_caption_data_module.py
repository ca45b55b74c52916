"""What training and tests are given: simulated sets left alone, mistakes found before features are computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from tiny_captions import WORDS, write_captions

from lstmzoo.captioning.data.captions_simulated import SimulatedCaptions
from lstmzoo.captioning.data.captions_simulator import CAPTIONS_FILE, contents, simulate_captions
from lstmzoo.captioning.data.dataset import Captions
from lstmzoo.captioning.data.vocabulary import Vocabulary
from lstmzoo.captioning.datamodule import CaptionDataModule
from lstmzoo.captioning.task import CaptioningTask
from lstmzoo.cli import main
from lstmzoo.errors import DataError, LstmzooError


class Encoder:
    """The means of the colours; counts the pictures that it sees."""

    key, image_size = "means v1", 16

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        return images.float().mean(dim=(2, 3))[:, None]  # (B, 1, 3)


class Columns:
    """The means of the colours of the left and the right half."""

    key, image_size = "columns v1", 16

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().unflatten(3, (2, 8)).mean(dim=(2, 4)).transpose(1, 2)  # (B, 2, 3)


def module(root: Path, encoder: Any = None, dataset: Any = Captions, **options: Any) -> CaptionDataModule:
    return CaptionDataModule(dataset, str(root), encoder=encoder, image_size=16, min_count=1, **options)


def test_a_finished_simulated_set_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = simulate_captions(tmp_path / "set", images=10, seed=3)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    data = module(root, dataset=SimulatedCaptions, simulate={"images": 12, "simulation_seed": 0})
    for _ in range(3):  # as in a run
        data.prepare_data()
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    shown = capsys.readouterr().out
    assert all(shown.count(value) == 1 for value in ("images=10, seed=3", "images=12, seed=0"))
    (root / "images" / "simulated_000004.jpg").unlink()
    module(root, dataset=SimulatedCaptions, simulate={"images": 10, "simulation_seed": 3}).prepare_data()
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert "taken as it is" not in capsys.readouterr().out


def test_a_missing_or_interrupted_simulated_set_is_made(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for wrong in ({"images": None, "simulation_seed": 0}, {"images": 10, "simulation_seed": None}):
        with pytest.raises(LstmzooError, match=r"^data\.\w+=None"):
            module(root, dataset=SimulatedCaptions, simulate=wrong).prepare_data()
    module(root, dataset=SimulatedCaptions, simulate={"images": 10, "simulation_seed": 0}).prepare_data()
    assert contents(root) == {"images": 10, "seed": 0, "agreement": 0}
    (root / CAPTIONS_FILE).unlink()
    assert contents(root) is None
    module(root, dataset=SimulatedCaptions, simulate={"images": 12, "simulation_seed": 0}).prepare_data()
    assert contents(root) == {"images": 12, "seed": 0, "agreement": 0}


def test_what_is_wrong_shows_before_features_are_computed(tmp_path: Path) -> None:
    root, encoder = write_captions(tmp_path / "set"), Encoder()
    (root / "test.txt").unlink()
    with pytest.raises(DataError, match=r"'test'.*train, val.*split=val.*test_after_fit=false"):
        module(root, encoder).check(test=True)
    with (root / "val.txt").open("a") as file:
        file.write("stranger\n")
    with pytest.raises(DataError, match=r"val.txt, line 5.*'stranger'"):
        module(root, encoder).setup("fit")
    assert encoder.seen == 0


@pytest.mark.slow
def test_training_looks_for_the_test_split_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_captions(tmp_path / "set")
    (root / "test.txt").unlink()
    monkeypatch.setattr(CaptionDataModule, "setup", lambda self, stage: pytest.fail("the data are opened already"))
    arguments = ["data=captions", f"data.root={root}", f"hydra.run.dir={tmp_path / 'run'}", "trainer.accelerator=cpu"]
    assert main(["train", "experiment=captions_nic", *arguments]) == 2
    assert "test_after_fit=false" in capsys.readouterr().err


def test_words_are_those_of_the_training_split(tmp_path: Path) -> None:
    root = write_captions(tmp_path / "set")
    with open(root / "captions.txt", "a", encoding="utf-8") as file:
        file.write("05.png,zebras\n")  # a test picture
    data = module(root, Encoder())
    data.setup("test")
    words = Vocabulary.from_dict(data.labels).words
    assert "red" in words
    assert "zebras" not in words
    assert data.test_dataset[0]["features"].shape == (1, 3)


def test_without_a_validation_split_there_is_none(tmp_path: Path) -> None:
    root = write_captions(tmp_path / "set")
    (root / "val.txt").unlink()
    data = module(root)
    data.setup("fit")
    assert not data.has_validation
    assert len(data.train_dataset) == 16


@pytest.mark.parametrize("frozen", [True, False])
def test_mirrored_pictures_are_told_of_with_left_and_right_exchanged(tmp_path: Path, frozen: bool) -> None:
    """One colour is left of another; in training only, a picture is seen from both sides, with its caption."""
    words = Vocabulary(["a", "blue", "field", "green", "left", "of", "red", "right", "and"])
    encoder = Columns() if frozen else None
    data = module(write_captions(tmp_path), encoder, flip=True, captions_per_image=2, vocabulary=words.to_dict())
    data.setup("fit")
    train, val = data.train_dataset, data.val_dataset
    assert train is not None
    assert val is not None
    kind = "grid" if frozen else "image"
    number = next(n for n, one in enumerate(train.captions.records) if one.tokens[1][0] != one.tokens[1][2])
    seen = set()
    for epoch in range(30):
        item = train[number, epoch]
        turned = " right of a " in words.decode(item["words"][0])
        expected = train.captions.image(number, turned)[kind]
        assert torch.equal(item["features" if frozen else "images"], expected)
        assert not torch.equal(expected, train.captions.image(number, not turned)[kind])
        assert len(item["words"]) == 2
        seen.add(turned)
    assert seen == {True, False}
    assert all(" left of a " in words.decode(val[n, epoch]["words"][0]) for n in range(len(val)) for epoch in range(9))


def test_the_loss_of_validation_is_the_mean_over_words_however_they_are_batched(tmp_path: Path) -> None:
    root, losses = write_captions(tmp_path), []
    for batch_size in (1, 3, 4):  # of four pictures; their captions have eight words and three
        data = module(root, Columns(), batch_size=batch_size, captions_per_image=1)
        data.setup("fit")
        torch.manual_seed(0)
        task = CaptioningTask(
            "caption_nic",
            {"vocab_size": len(WORDS), "hidden_size": 6, "embedding_size": 5, "feature_size": 4},
            vocabulary=WORDS.to_dict(),
            classes=[],
            transform={},
            config={},
        )
        task.model.project[0] = torch.nn.Linear(3, 4)
        trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
        trainer.validate(task, datamodule=data, verbose=False)
        losses.append(float(trainer.callback_metrics["val/loss"]))
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_the_sequence_length_is_that_of_the_longest_caption_as_it_is_read(tmp_path: Path) -> None:
    """The word that begins it, then "a green field left of a red field"."""
    for options, steps in (({}, 9), ({"max_words": 4}, 5)):
        data = module(write_captions(tmp_path / str(steps)), Encoder(), **options)
        data.setup("fit")
        assert data.sequence_length == steps
        longest = max(len(words) for item in data.train_dataset for words in item["words"])
        assert longest == steps + ("max_words" not in options)  # but for the end, which is only predicted
