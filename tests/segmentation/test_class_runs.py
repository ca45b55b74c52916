"""A class for every pixel from the command line: train, evaluate, predict, and one message for what does not fit."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_segments import decode, pixels
from tiny_streets import CLASSES, SIZE, save, write_streets

import lstmzoo
import tiny_runs
from lstmzoo.cli import main
from lstmzoo.models.pretrained.weights_folder import CONFIG
from lstmzoo.segmentation.semantic.class_overlays import LegendFrames, class_palette

TINY = [
    *("data.size=[36,48]", "data.clip_len=2", "data.batch_size=2", "data.num_workers=0", "data.test_list=val"),
    *("model.encoder=small", "model.pretrained_encoder=false", "model.decoder_channels=8", "task.encoder_lr=2e-3"),
    *("trainer.accelerator=cpu", "trainer.check_val_every_n_epoch=1", "callbacks.progress=none"),
]


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_streets(tmp_path_factory.mktemp("streets"))


@pytest.fixture(scope="module")
def run(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings = [*TINY, f"data.root={streets}", f"output={folder}", "trainer.max_epochs=30"]
    assert main(["train", "experiment=camvid", *settings, "task.class_weights=median_frequency", "task.lr=1e-2"]) == 0
    return folder


def test_a_run_learns_classes_and_leaves_all_there_is_to_see(run: Path) -> None:
    numbers = json.loads((run / "metrics.json").read_text())
    assert numbers["monitor"] == "val/mIoU"
    test = tiny_runs.numbers(run / "eval_test")
    assert test["mIoU"] > 0.6
    assert test["protocol"] == "semantic"
    assert list(test["classes"]) == list(CLASSES)
    assert test["mIoU"] == pytest.approx(np.mean([one["IoU"] for one in test["classes"].values()]))
    assert 0 < test["temporal-consistency"] <= 1
    assert set(test["sequences"]) == {"Seq05VD"}
    rows = list(csv.reader((run / "eval_test" / "confusion.csv").open()))
    assert rows[0] == ["true class", *CLASSES]
    confusion = np.array([row[1:] for row in rows[1:]], int)
    assert confusion.sum() == 4 * SIZE[0] * (SIZE[1] - 1)  # void counts nowhere
    for number, name in enumerate(CLASSES):
        union = confusion[number].sum() + confusion[:, number].sum() - confusion[number, number]
        assert test["classes"][name]["IoU"] == pytest.approx(confusion[number, number] / union)
    for name in ("worst_frames.png", "best_frames.png"):
        assert min(cv2.imread(str(run / "eval_test" / name)).shape[:2]) > 150


def test_eval_shows_every_class(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", f"ckpt_path={run}", f"output={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in (*CLASSES, "mean", "temporal consistency"))
    assert tiny_runs.numbers(tmp_path) == tiny_runs.numbers(run / "eval_test")
    assert lstmzoo.load(run).classes == list(CLASSES)


def test_exported_weights_keep_the_classes_and_are_known_by_their_mean_iou(run: Path, tmp_path: Path) -> None:
    assert main(["export", f"ckpt_path={run}", f"output={tmp_path / 'streets'}", "licence=MIT"]) == 0
    assert lstmzoo.load(tmp_path / "streets").classes == list(CLASSES)
    card = json.loads((tmp_path / "streets" / CONFIG).read_text())["card"]
    assert card["headline"] == "mIoU"
    assert "mIoU" in card["metrics"][0]["values"]


def test_predict_writes_label_images_shares_and_a_legend(
    run: Path, streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", f"ckpt_path={run}", f"input={streets}", "split=val", f"output={tmp_path}"]) == 0
    assert "Car" in capsys.readouterr().out
    files = sorted((tmp_path / "masks" / "Seq05VD").iterdir())
    assert [path.stem for path in files] == [f"Seq05VD_f{number:05d}" for number in range(60, 180, 30)]
    labels = np.stack([pixels(path) for path in files])
    assert labels.max() < len(CLASSES)
    rows = list(csv.DictReader((tmp_path / "Seq05VD_classes.csv").open()))
    for row, found in zip(rows, labels, strict=True):
        for number, name in enumerate(CLASSES):
            assert float(row[name]) == pytest.approx((found == number).mean(), abs=1e-5)
    film, rate = decode(tmp_path / "Seq05VD_overlay.mp4")
    assert rate == 4.0
    assert film.shape[0] == 4
    assert film.shape[2] > film.shape[1] / SIZE[0] * SIZE[1]  # the legend stands beside the frame
    report = json.loads((tmp_path / "predictions.json").read_text())
    assert report["classes"] == list(CLASSES)


def test_inspect_says_why_not(run: Path, streets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", f"ckpt_path={run}", f"input={streets / 'val'}"]) == 2
    assert "3 classes" in capsys.readouterr().err


def test_other_classes_are_refused_in_an_evaluation_and_learnt_from_scratch_in_a_fine_tuning(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_streets(tmp_path / "other")
    (other / "classes.txt").write_text("Sky\nRoad\nCar\nTree\n")
    assert main(["eval", f"ckpt_path={run}", f"data.root={other}"]) == 2
    message = capsys.readouterr().err
    assert "Tree" in message
    assert "'Sky', 'Road', 'Car']" in message
    settings = [
        "experiment=camvid",
        f"task.start_from={run}",
        f"data.root={other}",
        f"output={tmp_path / 'tuned'}",
        "data.num_workers=0",
    ]
    assert main(["train", *settings, "trainer.max_epochs=1", "trainer.accelerator=cpu", "test_after_fit=false"]) == 0
    assert "1 of 4 classes, Tree" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["task.protocol=unsupervised"], ["camvid", "semantic"]),
        (["data=davis_simulated"], ["davis_simulated", "camvid|label_folder"]),
        (["model=segment_guided"], ["SegmentGuided", "segment_framewise"]),
        (["data.test_list=test"], ["test", "train", "val"]),
        (["data.paste=0.5"], ["paste"]),
    ],
)
def test_mistakes_are_named_before_the_training(
    arguments: list[str], said: list[str], streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [one for one in TINY if one.partition("=")[0] not in {word.partition("=")[0] for word in arguments}]
    if "data=davis_simulated" in arguments:
        settings = [one for one in settings if "test_list" not in one]
    command = ["train", "experiment=camvid", *settings, f"data.root={streets}", f"output={tmp_path / 'run'}"]
    assert main([*command, *arguments]) == 2
    message = capsys.readouterr().err
    assert all(part in message for part in said), message
    assert not list(tmp_path.rglob("*.ckpt"))


def test_masks_of_others_are_those_of_objects(streets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", f"results={streets / 'valannot'}", "data=camvid", f"data.root={streets}"]) == 2
    assert "camvid" in capsys.readouterr().err


def test_the_legend_names_what_the_colours_mean() -> None:
    labels = np.zeros((360, 480), np.uint8)
    labels[:, 240:] = 2
    labels[0, 0] = 255
    image = np.full((360, 480, 3), 100, np.uint8)
    drawn = LegendFrames(["Sky", "Straße", "Car"]).draw(image, labels)[:, :, ::-1]
    assert drawn.shape[0] == 360
    assert drawn[0, 0].tolist() == [100, 100, 100]
    blend = 0.4 * 100 + 0.6 * class_palette()[[0, 2]].astype(float)
    np.testing.assert_allclose(drawn[5, [5, 300]], blend, atol=1)
    panel = drawn[:, 480:].reshape(-1, 3)
    for colour in class_palette()[:3]:
        assert (panel == colour).all(1).any()
    assert (class_palette()[255] == 0).all()
    assert len(np.unique(class_palette(), axis=0)) == 256


def test_frames_of_sequences_that_share_names_are_predicted_apart(run: Path, tmp_path: Path) -> None:
    root = write_streets(tmp_path / "data", {"train": ("a", [1, 2]), "test": ("a", [1])}, labelled=lambda number: False)
    save(root / "trainannot" / "a_000001.png", np.zeros(SIZE, np.uint8))
    assert main(["predict", f"ckpt_path={run}", f"input={root}", f"output={tmp_path / 'out'}", "video=none"]) == 0
    assert {path.name for path in (tmp_path / "out" / "masks").iterdir()} == {"train_a", "test_a"}


def test_a_first_try_needs_no_download(tmp_path: Path) -> None:
    numbers = ["data.train_sequences=1", "data.val_sequences=1", "data.test_sequences=1", "data.simulated_frames=4"]
    settings = ["data.simulated_size=[48,64]", "data.size=[48,64]", "data.clip_len=4", "model.decoder_channels=8"]
    settings += ["data.num_workers=0", "trainer.accelerator=cpu", "trainer.max_epochs=1", f"output={tmp_path / 'run'}"]
    command = ["train", "experiment=segment_classes", f"data.root={tmp_path / 'data'}", "callbacks.progress=none"]
    assert main([*command, *numbers, *settings]) == 0
    assert "Cross" in tiny_runs.numbers(tmp_path / "run" / "eval_test")["classes"]
    assert main([*command, *numbers, *settings, "data.simulated_frames=5", f"output={tmp_path / 'other'}"]) == 2
