"""Ensembles of captioners, each with an encoder of its own, in Python and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from tiny_captions import WORDS, features, tiny_model, write_captions, write_checkpoint
from torch import Tensor

import lstmzoo
from lstmzoo.captioning.data.square_images import read_image
from lstmzoo.captioning.inference import trace_caption
from lstmzoo.captioning.models.captioner import BOS, EOS, PAD, UNK
from lstmzoo.captioning.models.decode import Decoding, decode
from lstmzoo.captioning.models.ensemble import Ensemble
from lstmzoo.cli import main
from lstmzoo.config.compose import compose


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captions(tmp_path_factory.mktemp("ensembles") / "data")


@pytest.fixture(scope="module")
def runs(data: Path) -> list[Path]:
    """Two captioners whose encoders were trained, apart from each other."""
    given = [
        "experiment=captions_nic",
        "model.encoder=small",
        "task.encoder_lr=1e-3",
        "data=captions",
        f"data.root={data}",
    ]
    config = OmegaConf.to_container(compose("train", [*given, "trainer.accelerator=cpu"]), resolve=True)
    config["model"] |= {"hidden_size": 6, "embedding_size": 5, "feature_size": 4, "dropout": 0.0}  # type: ignore[call-overload,index]
    one = write_checkpoint(data.parent / "one.ckpt", "caption_nic", seed=1, config=config)
    return [one, write_checkpoint(data.parent / "other.ckpt", "caption_soft_attention", seed=2)]


def greedy(models: list[Any], picture: Path) -> str:
    """What models say together: each sees the picture with its own encoder, and their probabilities are averaged."""
    states, words = [], [BOS]
    for model in models:
        side = model.encoder.image_size
        states.append(model.start(model.encode(torch.from_numpy(read_image(picture, (side, side)))[None])))
    while len(words) <= 20 and words[-1] != EOS:
        steps = [model.step(state, torch.tensor(words[-1:])) for model, state in zip(models, states, strict=True)]
        states = [step[1] for step in steps]
        p = torch.stack([step[0][0].exp() for step in steps]).mean(0)
        p[[PAD, BOS, UNK, words[-1], *([EOS] if len(words) == 1 else [])]] = 0
        words.append(int(p.argmax()))
    return WORDS.decode(words)


@pytest.mark.slow
@torch.no_grad()
def test_members_see_with_their_own_encoders(
    runs: list[Path],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("lstmzoo.captioning.metrics.java.has_java", lambda: False)  # it starts slowly
    models: list[Any] = [lstmzoo.load(path) for path in runs]
    assert models[0].encoder.key != models[1].encoder.key
    pictures = [data / "Images" / name for name in (data / "test.txt").read_text().split()]
    expected = {path.name: greedy(models, path) for path in pictures}
    assert expected != {path.name: greedy(models[:1], path) for path in pictures}

    one, other = runs
    whole = ["eval", f"ckpt_path={one}", f"task.ensemble=[{other}]", "task.decoding.method=greedy"]
    assert main([*whole, f"output={tmp_path / 'eval'}"]) == 0
    assert said(tmp_path / "eval") == expected
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text())["ensemble"] == [str(one), str(other)]
    assert f"{one} + {other}, test split" in capsys.readouterr().out
    (tmp_path / "list.txt").write_text("\n".join(map(str, pictures)))
    given = [f"ckpt_path={one}", f"ensemble=[{other}]", f"input={tmp_path / 'list.txt'}", "method=greedy"]
    assert main(["predict", *given, f"output={tmp_path / 'predict'}"]) == 0
    assert said(tmp_path / "predict") == expected


def said(folder: Path) -> dict[str, str]:
    """What a captions.json holds."""
    return {entry["image_id"]: entry["caption"] for entry in json.loads((folder / "captions.json").read_text())}


def test_members_with_one_encoder_share_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [tiny_model("caption_nic"), tiny_model("caption_updown"), tiny_model("caption_markov")]
    for member in members[1:]:
        member.encoder.load_state_dict(members[0].encoder.state_dict())
    members[2].encoder.image_size = 64
    ensemble, asked = Ensemble(members), []

    def pictures(side: int) -> Tensor:
        asked.append(side)
        return torch.zeros(2, 3, side, side, dtype=torch.uint8)

    seen = ensemble.encode(pictures)
    assert asked == [96, 64]
    assert seen[0] is seen[1]
    assert [len(one) for one in seen] == [2, 2, 2]
    known = ensemble.encode(pictures, {members[0].encoder.key: seen[0]})
    assert asked == [96, 64, 64]
    assert known[0] is seen[0]


@pytest.mark.slow
@torch.no_grad()
def test_what_goes_on_in_an_ensemble_is_kept() -> None:
    members = [tiny_model(name) for name in ("caption_nic", "caption_soft_attention", "caption_adaptive")]
    for member in members:
        member.words = list("pbeuwxyz")
    ensemble, seen = Ensemble(members), (features(1), features(1, seed=2), features(1, seed=3))
    sentence = decode(ensemble, seen, Decoding(num_beams=2))[0][0]
    together = trace_caption(ensemble, seen, sentence)
    apart = [trace_caption(member, own, sentence) for member, own in zip(members, seen, strict=True)]
    said = len(sentence.words) + sentence.finished
    assert together.steps == apart[1].steps
    np.testing.assert_allclose(np.log(together.probabilities), sentence.log_probs, rtol=1e-6)
    looking = [one.attention for one in apart if one.attention is not None]
    assert together.attention is not None
    assert together.sentinel is not None
    np.testing.assert_allclose(together.attention, (looking[0] + looking[1]) / 2)
    np.testing.assert_allclose(together.sentinel, apart[2].sentinel / 2, atol=1e-6)  # type: ignore[operator]
    for member, own in zip(together.members, apart, strict=True):
        assert member.steps == own.steps
        np.testing.assert_array_equal(member.probabilities, own.probabilities)
        assert all(len(layer) >= said for layer in member.trace.gates["f"])  # type: ignore[union-attr]
    apart_grids = trace_caption(ensemble, (seen[0], features(1, regions=4), seen[2]), sentence)
    assert apart_grids.attention is None  # of two grids there is no mean
    assert apart_grids.members[1].attention is not None
