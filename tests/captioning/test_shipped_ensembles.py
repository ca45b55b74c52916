"""Ensembles with a name of their own: a config.json among the weights in the package that names the members."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_captions import WORDS, tiny_model, write_captions

import lstmzoo
from lstmzoo.captioning.inference import caption_files, text_of
from lstmzoo.captioning.models.decode import Decoding, decoding_of
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.cli import main
from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models.checkpoint import read_metadata
from lstmzoo.models.pretrained import names
from lstmzoo.models.pretrained.names import CARD, CONFIG
from lstmzoo.models.pretrained.weights_folder import fingerprint

TASK = {"decoding": {"method": "beam", "num_beams": 4}}


def write_single(folder: Path, model_name: str, data: Path) -> None:
    model: Any = tiny_model(model_name, vocab_size=len(WORDS)).float()
    stored = {"name": "captions", "root": str(data)}
    config = {"task": {"name": "captioning", "decoding": {"method": "greedy"}}, "data": stored}
    model.metadata = {"data": {"name": "captions"}, "config": config, "vocabulary": WORDS.to_dict()}
    model.transform = {"size": [model.encoder.image_size] * 2}
    model.save_pretrained(folder)


def write_together(folder: Path, members: Any, **more: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / CONFIG).write_text(json.dumps({"members": members, "task": TASK, "card": {}, **more}))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_captions(tmp_path / "data")


@pytest.fixture
def shelf(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The weights in the package: two captioners, and both together."""
    shelf = tmp_path / "shelf"
    monkeypatch.setattr(names, "SHIPPED", shelf)
    write_single(shelf / "one", "caption_nic", data)
    write_single(shelf / "other", "caption_soft_attention", data)
    write_together(shelf / "both", ["one", "other"])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return shelf


def said(model: Any, data: Path, decoding: Decoding | None = None) -> list[str]:
    decoding = decoding or decoding_of(model)
    found = caption_files(model, sorted((data / "Images").glob("*"))[:3], decoding)
    return [text_of(sentences[0], model.words) for _, sentences in found]


def test_a_name_is_the_ensemble_of_its_members(shelf: Path, data: Path) -> None:
    model: Any = lstmzoo.load("both")
    by_hand = Ensemble([lstmzoo.load("one"), lstmzoo.load("other")])  # type: ignore[list-item]
    assert (model.checkpoint, [one.checkpoint for one in model.members]) == ("both", ["one", "other"])
    assert decoding_of(model) == Decoding(method="beam", num_beams=4)
    assert said(model, data) == said(by_hand, data, Decoding(method="beam", num_beams=4))
    for key, weight in by_hand.state_dict().items():
        assert torch.equal(model.state_dict()[key], weight)


def test_a_folder_of_the_name_of_a_member_is_not_the_member(shelf: Path, data: Path) -> None:
    write_single(Path("one"), "caption_markov", data)
    assert lstmzoo.load("both").members[0].model_name == "caption_nic"  # type: ignore[index, union-attr]


def test_an_ensemble_and_another_captioner_have_all_members(shelf: Path, data: Path) -> None:
    write_single(shelf / "third", "caption_markov", data)
    together = Ensemble([lstmzoo.load("both"), lstmzoo.load("third")])  # type: ignore[list-item]
    assert [one.checkpoint for one in together.members] == ["one", "other", "third"]
    assert decoding_of(together).num_beams == 4


def test_no_member_is_taken_twice(shelf: Path, data: Path, capsys: Any) -> None:
    """By whatever name, or as a member of another ensemble."""
    (picture, *_) = sorted((data / "Images").glob("*"))
    command = ["predict", "ckpt_path=one", f"input={picture}"]
    for others in ("other,one", f"{shelf / 'one'}", "both"):
        assert main([*command, f"ensemble=[{others}]"]) != 0
        assert "every checkpoint once" in capsys.readouterr().err


@pytest.mark.slow
def test_it_is_evaluated_as_its_members_together(
    shelf: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lstmzoo.captioning.metrics.java.has_java", lambda: False)  # it starts slowly
    given = [f"data.root={data}", "split=val", "trainer.accelerator=cpu"]
    by_hand = [
        *("task.ensemble=[other]", "task.decoding.method=beam", "task.decoding.num_beams=4", f"output={tmp_path / 'b'}")
    ]
    assert main(["eval", "ckpt_path=both", *given]) == 0
    assert main(["eval", "ckpt_path=one", *given, *by_hand]) == 0
    one, other = (
        json.loads((place / "metrics.json").read_text()) for place in (Path("runs/both/eval_val"), tmp_path / "b")
    )
    del one["measured"], other["measured"]
    assert one == other
    assert one["ensemble"] == ["one", "other"]
    assert main(["export", "ckpt_path=both", f"output={shelf / 'both'}"]) == 0
    stored = json.loads((shelf / "both" / CONFIG).read_text())
    assert (stored["members"], stored["task"]) == (["one", "other"], TASK)
    (measured,) = stored["card"]["metrics"]
    assert measured["values"]["CIDEr-D"] == one["CIDEr-D"]
    assert measured["command"].startswith("lstmzoo eval ckpt_path=both split=val")
    assert {file.name for file in (shelf / "both").iterdir()} == {CONFIG, CARD}


def test_results_are_of_these_members_and_this_decoding(shelf: Path, data: Path) -> None:
    before = fingerprint(Path("both"))
    write_together(shelf / "both", ["one", "other"], card={"failures": "Some."})
    assert fingerprint(Path("both")) == before
    write_together(shelf / "both", ["one", "other"], task={})
    assert fingerprint(Path("both")) != before
    write_together(shelf / "both", ["one", "other"])
    write_single(shelf / "other", "caption_markov", data)
    assert fingerprint(Path("both")) != before


@pytest.mark.parametrize("further", ["experiment=flickr8k", "data=captions"])
def test_nothing_is_trained_from_an_ensemble(
    further: str, shelf: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "task.start_from=both", further, f"data.root={data}"]) == 2
    assert "one, other" in capsys.readouterr().err


def test_where_one_model_is_needed_its_members_are_named(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "ckpt_path=both", "output=networks", "format=pt2"]) == 2
    assert "one, other" in capsys.readouterr().err
    with pytest.raises(LstmzooError, match="one, other"):
        lstmzoo.create_model("caption_nic", pretrained="both")
    assert lstmzoo.create_model("caption_nic", pretrained="captions").checkpoint == "one"  # type: ignore[comparison-overlap]
    with pytest.raises(LstmzooError, match="ensemble"):
        lstmzoo.save_pretrained(lstmzoo.load("both"), "mine")


@pytest.mark.parametrize(
    "members", [None, "one", [], ["one"], ["one", "one"], ["one", "nothing"], ["one", "both"], ["one", 1], ["one", []]]
)
def test_members_are_weights_in_the_package(members: Any, shelf: Path) -> None:
    write_together(shelf / "both", members)
    for read in (lstmzoo.load, read_metadata):
        with pytest.raises(CheckpointError, match="one, other"):
            read("both")


def test_settings_of_no_task_are_refused(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for task in ([1], {"decoding": 5}, {"nonsense": 3}):
        write_together(shelf / "both", ["one", "other"], task=task)
        with pytest.raises(CheckpointError, match="task"):
            lstmzoo.load("both")
    write_together(shelf / "both", ["one", "other"], task={"decoding": {"num_beams": 10**6}})
    with pytest.raises(CheckpointError, match="num_beams"):
        decoding_of(lstmzoo.load("both"))
    assert main(["eval", "ckpt_path=both", "data.root=x"]) == 2
    assert "num_beams" in capsys.readouterr().err
