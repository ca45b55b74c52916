"""The task from end to end, in this process: plain configurations, a data set and a model of your own, every output."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

import lstmzoo
from lstmzoo import registry
from lstmzoo.actions.data.clip_dataset import ClipDataset, LabelledVideo
from lstmzoo.actions.inspect import ActionInspector
from lstmzoo.actions.models.action_model import ActionModel, needs_grey
from lstmzoo.actions.predict import ActionPredictor
from lstmzoo.actions.task import RecognitionTask
from lstmzoo.errors import DataError, DataWarning, LstmzooError
from lstmzoo.training.setting_groups import settings_of_dataset
from tiny_data import write_video


class Takes(ClipDataset):
    """Videos named <class>_<take>.avi; the last take is tested.

    Args:
        root: the folder.
        split: train, val, test, trainval or all.
        tested: the take that is tested.
        **settings: those of `ClipDataset`.
    """

    classes = ("run", "walk")

    def __init__(self, root: str, split: str = "train", *, tested: int = 3, **settings: Any) -> None:
        self.tested = tested
        super().__init__(root, split, **settings)

    def find_videos(self, split: str) -> list[LabelledVideo]:
        if not self.root.is_dir():
            raise DataError(f"{self.root} is not a folder")
        found = []
        for path in sorted(self.root.glob("*.avi")):
            name, take = path.stem.split("_")
            of = {self.tested: "test", 1: "val"}.get(int(take), "train")
            if split in (of, "all"):
                found.append(LabelledVideo(path, self.classes.index(name), group=take))
        return found


class Maps(ActionModel):
    """An encoder of maps, in colour, whatever frames it is given."""

    def __init__(self, num_classes: int = 6, channels: int = 4) -> None:
        super().__init__(num_classes, "rgb")
        self.encoder = nn.Conv2d(3, channels, 3, stride=2, padding=1)
        self.classifier = nn.Linear(channels, num_classes)

    def forward_frames(self, video: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        maps, _ = self.features(video, None)  # (B, T, C, H, W)
        return self.classifier(maps.mean((3, 4))), None


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (registry.models, registry.datasets):
        one.names()
        monkeypatch.setattr(one, "entries", dict(one.entries))
    registry.register_dataset("takes", "recognition", clip_len=4, num_workers=0)(Takes)
    registry.register_model("maps")(Maps)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("run", "walk"):
        for take in range(4):
            write_video(tmp_path / "takes" / f"{name}_{take}.avi", 8 + take, start=100 * (name == "run"))
    return tmp_path / "takes"


def configuration(root: Path, model: dict[str, Any], **data: Any) -> dict[str, Any]:
    own = {setting.name: setting.default for setting in settings_of_dataset(registry.datasets.get("takes")).values()}
    return {
        "seed": 0,
        "model": model,
        "task": {"name": "recognition", "lr": 1e-3},
        "data": {"name": "takes", **own, "root": str(root), "size": [32, 32], "frame_interval": 1, **data},
    }


MODELS = [
    {"name": "maps"},
    {"name": "action_rnn", "hidden_size": 8, "feature_size": 8},
    {"name": "action_framewise", "hidden_size": 4, "feature_size": 8, "input": "rgb"},
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["name"])
def test_from_a_configuration_to_every_output(
    root: Path, tmp_path: Path, model: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    config = configuration(root, model)
    RecognitionTask.from_config(config, RecognitionTask.dummy_labels)
    data = RecognitionTask.open_data(config)
    data.check(test=True)
    data.setup("fit")
    assert data.train_dataset[0]["video"].shape[:2] == (4, 1 if model["name"] == "action_rnn" else 3)
    task = RecognitionTask.from_config(config, data.labels)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    trainer = Trainer(max_epochs=1, enable_checkpointing=False, **quiet)  # type: ignore[arg-type]
    trainer.fit(task, data)
    trainer.save_checkpoint(tmp_path / "a.ckpt")

    trained = lstmzoo.load(tmp_path / "a.ckpt")
    assert trained.classes == ["run", "walk"]
    tested = RecognitionTask.open_data(config, split="val", model=trained)
    tested.setup("test")
    assert tested.test_dataset.fps == trained.transform["fps"] == 25
    trainer.test(task, tested, verbose=False)
    files = task.results.save(tmp_path / "results", {"measured": 1})
    assert sorted(files) == sorted(path.name for path in (tmp_path / "results").iterdir())
    numbers = json.loads((tmp_path / "results" / "metrics.json").read_text())
    assert numbers["num_sequences"] == 2
    assert numbers["measured"] == 1
    task.results.show("title", details=True)
    assert "title" in capsys.readouterr().out

    predictor = RecognitionTask.predictor()(video="none", stride=3)
    items = predictor.find(str(root), tmp_path / "predicted")
    predictor.use(trained)
    outcomes = list(predictor.predict_all(items, tmp_path / "predicted", {}))
    assert [outcome.frames for outcome in outcomes] == [8, 9, 10, 11] * 2
    assert predictor.finish(outcomes, {"broken": "why"}, tmp_path / "predicted") == ["summary.csv"]
    with open(tmp_path / "predicted" / "summary.csv", newline="") as file:
        assert [row["error"] for row in csv.DictReader(file)] == [""] * 8 + ["why"]

    inspector = ActionInspector(max_frames=5)
    assert inspector.check(root / "run_3.avi") == "run_3"
    inspector.check_split(trained, tested.test_dataset)
    drawn = [
        *inspector.draw(trained, root / "run_3.avi", tmp_path / "inside"),
        *inspector.draw_split(trained, task.results, tested.test_dataset, tmp_path / "split"),
    ]
    assert all(path.is_file() for path in drawn)


def test_options_out_of_range(root: Path) -> None:
    dataset = Takes(str(root), "test")
    for clip in (-1, 2, 99):
        with pytest.raises(LstmzooError, match=rf"{clip}: .*test.* 0 to 1"):
            ActionInspector(clip=clip).check_split(nn.Linear(2, 2), dataset)
    for wrong in ({"stride": 0}, {"max_frames": -1}, {"stride": 1.5}):
        with pytest.raises(LstmzooError, match=next(iter(wrong))):
            ActionPredictor(**wrong)  # type: ignore[arg-type]


def test_colour_is_the_models_choice() -> None:
    before = torch.random.get_rng_state()
    assert needs_grey("action_rnn", hidden_size=3)
    assert not needs_grey("action_rnn", input="rgb", encoder="resnet18", pretrained_encoder=True)
    assert not needs_grey("maps")
    with pytest.raises(LstmzooError, match="hiden_size"):
        needs_grey("action_rnn", hiden_size=3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_any_data_set_of_videos_is_checked(root: Path) -> None:
    (root / "walk_2.avi").write_bytes(b"damaged")
    with pytest.warns(DataWarning, match=r"1 of 4 .*walk_2\.avi"):
        assert len(Takes(str(root))) == 3
    report = Takes.check(str(root))
    assert not report.complete
    rows = {row[0]: list(row[1:]) for row in report.table().rows}
    assert rows == {"run": [4, 38, 8, 11, 2, 1, 1], "walk": [4, 28, 8, 11, 2, 1, 1]}
    assert any("walk_2.avi" in remark for remark in report.remarks())
    assert json.loads(json.dumps(report.as_dict()))["rates"] == {"25.0": 7}
    (root / "walk_2.avi").unlink()
    assert Takes.check(str(root)).complete
    untested = Takes.check(str(root), tested=9)
    assert untested.splits["test"] == set()
    assert any("test_after_fit=false" in remark for remark in untested.remarks())
    with pytest.raises(DataError):
        Takes.check(str(root / "nowhere"))
