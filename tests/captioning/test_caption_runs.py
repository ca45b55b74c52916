"""Captioners from the command line: train, go on by reward, evaluate, predict, inspect, score a file."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from tiny_captions import write_captions

import lstmzoo
import tiny_runs
from lstmzoo.captioning.datamodule import Sentences, collate
from lstmzoo.captioning.inference import caption_files, encode_files, find_images, text_of
from lstmzoo.captioning.results import image_ids
from lstmzoo.cli import main
from lstmzoo.config.compose import compose
from lstmzoo.errors import CheckpointError, DataError, LstmzooError
from lstmzoo.runs import build

TINY = [
    *("data=captions", "data.min_count=1", "data.batch_size=4", "data.captions_per_image=2", "data.num_workers=0"),
    *("model.hidden_size=32", "model.embedding_size=32", "model.feature_size=32", "model.attention_size=16"),
    "model.encoder=small",
    *("model.dropout=0.0", "task.decoding.max_length=10", "trainer.accelerator=cpu", "callbacks.progress=none"),
]


@pytest.fixture(scope="module", autouse=True)
def without_java() -> Iterator[None]:
    """Java starts slowly, and its numbers are tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lstmzoo.captioning.metrics.java.has_java", lambda: False)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("captions")


@pytest.fixture(scope="module")
def data(folder: Path) -> Path:
    return write_captions(folder / "my data")


@pytest.fixture(scope="module")
def run(folder: Path, data: Path) -> Path:
    """A run whose encoder was trained from scratch."""
    found = folder / "run"
    settings = [*TINY, f"data.root={data}", "trainer.max_epochs=32", "task.lr=5e-3", f"hydra.run.dir={found}"]
    assert main(["train", "experiment=captions_soft_attention", "task.encoder_lr=1e-3", *settings]) == 0
    return found


def test_a_run_leaves_all_there_is_to_see(run: Path) -> None:
    numbers = json.loads((run / "metrics.json").read_text())
    assert numbers["monitor"] == "val/CIDEr-D"
    assert numbers["test"]["images"] == 4
    assert {"BLEU-4", "CIDEr-D", "ROUGE-L", "bad_endings"} <= numbers["test"].keys()
    assert {path.name for path in (run / "eval_test").iterdir()} == {
        "metrics.json",
        "captions.json",
        "contact_sheet.png",
    }
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert checkpoint["lstmzoo"]["vocabulary"]["specials"] == ["<pad>", "<bos>", "<eos>", "<unk>"]
    assert all(key.startswith("model.") for key in checkpoint["state_dict"])


@pytest.mark.slow
def test_a_checkpoint_alone_captions_files(run: Path, data: Path, tmp_path: Path) -> None:
    alone = tmp_path / "best.ckpt"
    shutil.copy(run / "checkpoints" / "best.ckpt", alone)
    model = lstmzoo.load(alone)
    said = {
        path.name: text_of(found[0], model.words) for path, found in caption_files(model, (data / "Images").glob("*"))
    }
    kept = json.loads((run / "eval_test" / "captions.json").read_text())
    assert {entry["image_id"]: entry["caption"] for entry in kept}.items() <= said.items()
    right = np.mean([len(set(text.split()) & {"red", "green", "blue"}) > 0 for text in said.values()])
    assert right == 1.0


@pytest.mark.slow
def test_eval_of_a_checkpoint_and_of_its_captions_agree(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", f"ckpt_path={run}", f"output={tmp_path / 'own'}"]) == 0
    own = tiny_runs.numbers(tmp_path / "own")
    assert own == json.loads((run / "metrics.json").read_text())["test"]
    results = tmp_path / "own" / "captions.json"
    assert (
        main(["eval", f"results={results}", "data=captions", f"data.root={data}", f"output={tmp_path / 'file'}"]) == 0
    )
    scored = json.loads((tmp_path / "file" / "metrics.json").read_text())
    assert {name: own[name] for name in ("BLEU-4", "CIDEr-D", "ROUGE-L", "tokenizer")}.items() <= scored.items()
    results.write_text(json.dumps(json.loads(results.read_text())[1:]))
    capsys.readouterr()
    assert main(["eval", f"results={results}", "data=captions", f"data.root={data}"]) == 2
    assert "1 image(s) have references but no caption" in capsys.readouterr().err
    assert main(["eval", f"results={results}"]) == 2
    assert "data=flickr8k" in capsys.readouterr().err
    assert main(["eval", f"results={results}", "data=kth"]) == 2
    assert "captions.json" in capsys.readouterr().err


def test_captions_of_any_method_are_scored_without_the_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By COCO's numbers or by the names of the files; however letters are written."""
    names = {42: "COCO_val2014_000000000042.jpg", 7: "COCO_val2014_000000000007.jpg"}
    said = {42: "a nai\u0308ve dog runs home", 7: "two cats sleep all day"}
    coco = {
        "images": [{"id": number, "file_name": name} for number, name in names.items()],
        "annotations": [{"image_id": number, "caption": text} for number, text in said.items()],
    }
    (tmp_path / "captions_val2014.json").write_text(json.dumps(coco))
    results, data = tmp_path / "results.json", ["data=captions", f"data.root={tmp_path}", "split=val"]
    for ids in ({number: number for number in names}, names):
        results.write_text(json.dumps([{"image_id": ids[number], "caption": text} for number, text in said.items()]))
        assert main(["eval", f"results={results}", *data, f"output={tmp_path / 'out'}"]) == 0
        assert json.loads((tmp_path / "out" / "metrics.json").read_text())["BLEU-4"] == pytest.approx(1)
    results.write_text(json.dumps([{"image_id": "dog.jpg", "caption": "a dog"}]))
    capsys.readouterr()
    assert main(["eval", f"results={results}", *data]) == 2
    assert "its images are 42, 7, the captions are of 'dog.jpg'" in capsys.readouterr().err


def test_features_of_files_are_for_training_too(run: Path, data: Path) -> None:
    model = lstmzoo.load(run)
    features = encode_files(model, [data / "Images" / "00.png"])
    model(features, torch.tensor([[1, 4]]), torch.tensor([2])).sum().backward()
    assert model.embedding.weight.grad.abs().sum() > 0


def test_pictures_of_one_name_keep_apart(tmp_path: Path) -> None:
    assert image_ids([tmp_path / "a" / "x.jpg", tmp_path / "b" / "y.jpg"]) == ["x.jpg", "y.jpg"]
    assert image_ids([tmp_path / "a" / "x.jpg", tmp_path / "b" / "x.jpg"]) == ["a/x.jpg", "b/x.jpg"]
    (tmp_path / "list.txt").write_text("a/x.jpg\nb/../a/x.jpg\nb/x.jpg\n")
    assert find_images(tmp_path / "list.txt") == [tmp_path / "b" / ".." / "a" / "x.jpg", tmp_path / "b" / "x.jpg"]


def test_lists_in_other_encodings(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("\ufeffx.jpg\n", encoding="utf-8")
    assert find_images(listed) == [tmp_path / "x.jpg"]
    listed.write_text("x.jpg\nföhn.jpg\n", encoding="latin-1")
    with pytest.raises(DataError, match=r"list.txt, line 2.*UTF-8"):
        find_images(listed)


def test_captions_of_files_that_come_twice_or_cannot_be_read(run: Path, data: Path, tmp_path: Path) -> None:
    model = lstmzoo.load(run)
    good, broken = data / "Images" / "01.png", tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    once, again = caption_files(model, [good, good])
    assert [path for path, _ in caption_files(model, str(good))] == [good]
    assert (once[0], [one.words for one in once[1]]) == (again[0], [one.words for one in again[1]])
    with pytest.raises(DataError, match=r"broken.jpg"):
        list(caption_files(model, [good, broken]))
    failures: dict[Path, str] = {}
    said = list(caption_files(model, [broken, good, broken, broken, good], batch_size=2, failures=failures))
    assert [(path, found[0].words) for path, found in said] == [(good, once[1][0].words)] * 2
    assert [*failures] == [broken]


def test_predict(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    listed = tmp_path / "list.txt"
    listed.write_text(f"{data / 'Images' / '01.png'}\nbroken.jpg\n" * 2)
    with pytest.raises(SystemExit) as ended:
        main(["predict", f"ckpt_path={run}", f"input={listed}", f"output={tmp_path / 'out'}", "num_return_sequences=4"])
    assert ended.value.code == 1
    assert "broken.jpg" in capsys.readouterr().err
    (entry,) = json.loads((tmp_path / "out" / "captions.json").read_text())
    assert entry["image_id"] == "01.png"
    assert len(set(entry["captions"])) == 4
    assert entry["log_probability"][0] == max(entry["log_probability"])
    assert (tmp_path / "out" / "contact_sheet.png").is_file()
    for wrong, message in ((f"input={broken}", "broken.jpg"), ("input=nowhere", "there is no input nowhere")):
        assert main(["predict", f"ckpt_path={run}", wrong, f"output={tmp_path}"]) == 2
        assert message in capsys.readouterr().err


def test_inspect(run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = f"input={data / 'Images' / '01.png'}"
    assert main(["inspect", f"ckpt_path={run}", picture, f"output={tmp_path}"]) == 0
    assert (tmp_path / "word_by_word.png").is_file()
    assert main(["inspect", f"ckpt_path={run}", picture, "caption=a purple field"]) == 2
    assert "doesn't know the word 'purple'" in capsys.readouterr().err


@pytest.mark.slow
def test_going_on_by_reward(run: Path, data: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = folder / "scst"
    settings = [*TINY, f"data.root={data}", "trainer.max_epochs=1", "test_after_fit=false", f"hydra.run.dir={found}"]
    assert main(["train", "experiment=captions_scst", f"task.start_from={run}", *settings]) == 0
    before, after = (lstmzoo.load(path) for path in (run, found))
    assert after.words == before.words
    assert after.encoder.key == before.encoder.key  # frozen: its features stay those in the cache
    assert any(not torch.equal(one, other) for one, other in zip(before.parameters(), after.parameters(), strict=True))
    assert "train/reward" in (found / "metrics.csv").read_text()
    ensemble = ["eval", f"ckpt_path={run}", f"task.ensemble=[{found}]", f"output={folder / 'both'}"]
    assert main(ensemble) == 0
    capsys.readouterr()
    assert main(["train", "experiment=captions_scst", f"task.start_from={run}", *settings, "model.cell=gru"]) == 2
    assert "do not fit the model" in capsys.readouterr().err
    assert main(["train", "experiment=captions_scst", *settings]) == 2


@pytest.mark.slow
def test_settings_that_do_not_go_together(data: Path) -> None:
    base = ["experiment=captions_nic", "data=captions", "model.encoder=small", f"data.root={data}"]
    for changes, message in (
        (["task.encoder_lr=null"], "encoder_lr"),
        (["task.objective=scst", "task.encoder_lr=1e-3"], "give task.start_from"),
        (["data.min_count=99", "task.encoder_lr=1e-3"], "lower min_count"),
    ):
        config = compose("train", [*base, *changes])
        with pytest.raises(LstmzooError, match=message):
            build_all(config)


def build_all(config: DictConfig) -> None:
    """As training does before it starts."""
    data_module = build.task_class(config).open_data(build.to_dict(config))
    data_module.setup("fit")
    build.build_task(config, data_module.labels)


def test_a_tampered_vocabulary_is_refused(run: Path, tmp_path: Path) -> None:
    checkpoint = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    checkpoint["lstmzoo"]["vocabulary"]["words"].pop()
    torch.save(checkpoint, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointError, match=r"x.ckpt.*words"):
        lstmzoo.load(tmp_path / "x.ckpt")


class Few:
    """Three captions of one picture."""

    records = (SimpleNamespace(tokens=[("a",), ("b",), ("c",)]),)

    def image(self, number: int, mirrored: bool) -> dict[str, torch.Tensor]:
        return {"image": torch.zeros(3, 2, 2)}

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("wanted", [2, 3, 7])
def test_as_many_captions_as_wanted_each_as_often_as_any(wanted: int) -> None:
    from lstmzoo.captioning.data.vocabulary import Vocabulary

    sentences = Sentences(Few(), Vocabulary("abc"), wanted, 5, seed=0)  # type: ignore[arg-type]
    drawn = [[words[1] for words in sentences[0, epoch]["words"]] for epoch in range(20)]
    for one in drawn:
        counts = [one.count(word) for word in (4, 5, 6)]
        assert sum(counts) == wanted
        assert max(counts) - min(counts) <= 1
    assert drawn == [[words[1] for words in sentences[0, epoch]["words"]] for epoch in range(20)]
    assert len({tuple(sorted(one)) for one in drawn}) == (1 if wanted == 3 else 3)
    batch = collate([sentences[0, 0]])
    assert batch["words"].shape == (wanted, 3)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["soft_attention", "updown"])
def test_a_captioner_trains_in_half_precision(model: str, data: Path, tmp_path: Path) -> None:
    settings = [*TINY, f"data.root={data}", "trainer.max_epochs=1", "trainer.precision=bf16-mixed"]
    assert (
        main(["train", f"experiment=captions_{model}", "task.encoder_lr=1e-3", *settings, f"hydra.run.dir={tmp_path}"])
        == 0
    )
    numbers = json.loads((tmp_path / "metrics.json").read_text())["validation"]
    assert math.isfinite(numbers["val/CIDEr-D"])


def test_a_measure_that_could_not_be_computed_is_null(run: Path) -> None:
    for path in (run / "metrics.json", run / "eval_test" / "metrics.json"):
        numbers = json.loads(path.read_text())
        numbers = numbers.get("test", numbers)
        assert numbers["METEOR"] is None
        assert numbers["BLEU-4"] is not None
