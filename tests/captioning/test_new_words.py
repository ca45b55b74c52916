"""Going on with captions in which there are new words: they are added to the vocabulary, and learnt."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_captions import MODELS, WORDS, features, tiny_model, write_captions, write_checkpoint

import lstmzoo
from lstmzoo.captioning.datamodule import CaptionDataModule
from lstmzoo.captioning.models.decode import Decoding, decode
from lstmzoo.captioning.task import CaptioningTask
from lstmzoo.cli import main
from lstmzoo.config.compose import compose
from lstmzoo.errors import DataError, LstmzooError
from lstmzoo.runs import build
from lstmzoo.runs.start_from import inherit
from lstmzoo.training.inherited_weights import inherit_weights

GROWN = WORDS.extended([("a", "purple", "field"), ("purple", "fields"), ("purple",)], min_count=2)
TOKENS = torch.tensor([[1, 4, 5, 6, 7], [1, 8, 4, 0, 0], [1, 11, 9, 10, 0], [1, 6, 6, 4, 0]])
LENGTHS = torch.tensor([5, 3, 4, 4])


def grown(name: str) -> tuple[Any, Any]:
    """A captioner, and one with its weights and the words of `GROWN`."""
    origin = tiny_model(name, len(WORDS))
    origin.load_state_dict(origin.state_dict())  # att2in shuts weights that the line before has drawn
    model = tiny_model(name, len(GROWN))
    for parameter in model.parameters():  # other weights than those of the same seed
        torch.nn.init.normal_(parameter, std=0.3)
    assert inherit_weights(model, origin, GROWN.words, WORDS.words) == []
    return origin, model


def test_words_are_added_behind_those_that_are_there() -> None:
    assert GROWN.words == [*WORDS.words, "purple"]
    assert GROWN.extended([("purple", "field")] * 9).words == GROWN.words
    said = [tuple(f"w{number % k}" for k in (2, 3, 5, 7)) for number in range(40)]
    found, counts = WORDS.extended(said, 8).words, Counter(word for words in said for word in words)
    assert found[: len(WORDS)] == WORDS.words
    assert {*found[len(WORDS) :]} == {word for word, count in counts.items() if count >= 8}
    assert WORDS.extended([("<eos>", "<unk>")], 1).words == WORDS.words
    with pytest.raises(LstmzooError, match="min_count=0"):
        WORDS.extended([("x",)], 0)
    with pytest.raises(DataError):
        WORDS.extended([("一只狗在草地上奔跑着追球",)] * 5, 1)


@torch.no_grad()
@pytest.mark.parametrize("name", MODELS)
def test_old_words_keep_their_logits(name: str) -> None:
    origin, model = grown(name)
    before, after = origin(features(2), TOKENS, LENGTHS), model(features(2), TOKENS, LENGTHS)
    torch.testing.assert_close(after[..., : len(WORDS)], before)
    assert after.shape[-1] == len(GROWN)


@pytest.mark.parametrize("name", MODELS)
def test_a_new_word_is_learnt(name: str) -> None:
    _, model = grown(name)
    sentence = torch.tensor([GROWN.encode(("a", "purple", "field"))])
    lengths = torch.tensor([sentence.shape[1] - 1])
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(features(1), sentence[:, :-1], lengths)[0], sentence[0, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ((found,),) = decode(model, features(1), Decoding("greedy"))
    assert GROWN.decode(found.words) == "a purple field"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captions in which fields are lawns; no other word is new."""
    root = write_captions(tmp_path_factory.mktemp("lawns") / "data")
    file = root / "captions.txt"
    file.write_text(file.read_text().replace("field", "lawn"))
    return root


def opened(checkpoint: Path, data: Path, *more: str) -> CaptionDataModule:
    given = [f"task.start_from={checkpoint}", "data=captions", f"data.root={data}", *more]
    config = compose("train", given)
    inherit(config, given)
    module = CaptioningTask.open_data(build.to_dict(config))
    module.check(test=False)
    return module


@pytest.mark.slow
def test_only_words_that_are_said_often_enough_are_added_and_by_reward_none(tmp_path: Path, data: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "x.ckpt", "caption_nic")
    words = opened(checkpoint, data).labels["words"]
    assert words == [*WORDS.to_dict()["words"], "lawn"]
    lawns = 2 * 16  # in one of two captions of each training image
    assert opened(checkpoint, data, f"data.min_count={lawns}").labels["words"] == words
    assert "lawn" not in opened(checkpoint, data, f"data.min_count={lawns + 1}").labels["words"]
    assert "lawn" not in opened(checkpoint, data, "task.objective=scst").labels["words"]
    model: Any = lstmzoo.load(checkpoint)
    config = build.to_dict(compose("train", ["data=captions", f"data.root={data}"]))
    tested = CaptioningTask.open_data(config, model=model)
    tested.check(test=True)
    assert tested.labels == WORDS.to_dict()


@pytest.mark.slow
def test_a_run_with_new_words_from_the_command_line(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lstmzoo.captioning.metrics.java.has_java", lambda: False)
    data = Path(shutil.copytree(data, tmp_path / "data"))
    write_checkpoint(tmp_path / "x.ckpt", "caption_nic")
    image = next((data / "Images").iterdir())
    plain = ["trainer.accelerator=cpu", "callbacks.progress=none", "data.num_workers=0"]
    own = [f"data.root={data}", "trainer.max_epochs=20", "task.lr=2e-2", "data.batch_size=4", "output=run"]
    assert main(["train", "task.start_from=x.ckpt", "data=captions", *own, *plain]) == 0
    said = capsys.readouterr().out
    assert f"1 of {len(WORDS) + 1} words, lawn" in said
    model: Any = lstmzoo.load("run")
    assert model.words == [*WORDS.words, "lawn"]
    assert main(["eval", "ckpt_path=run", "output=measured"]) == 0
    assert "lawn" in (tmp_path / "measured" / "captions.json").read_text()
    for command in (
        ["predict", "ckpt_path=run", f"input={image}", "output=out"],
        ["inspect", "ckpt_path=run", f"input={image}", "caption=a red lawn", "output=out"],
        ["export", "ckpt_path=run", "output=weights"],
        ["train", "task.start_from=weights", f"data.root={data}", "trainer=debug", *plain, "output=again"],
        ["train", "resume=run", "trainer.max_epochs=21", *plain],
    ):
        assert main(command) == 0
    assert lstmzoo.load("weights").words == lstmzoo.load("again").words == lstmzoo.load("run").words == model.words
    assert "From scratch" not in capsys.readouterr().out
    captions = data / "captions.txt"  # which are others when the run goes on
    captions.write_text(captions.read_text().replace("lawn", "meadow"))
    assert main(["train", "resume=run", "trainer.max_epochs=22", *plain]) == 0
    assert lstmzoo.load("run").words == model.words
    assert main(["predict", "ckpt_path=run", f"input={image}", "output=out", "ensemble=[x.ckpt]"]) == 2
    assert "vocabular" in capsys.readouterr().err
