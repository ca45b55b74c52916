"""predict and inspect: the same options, the same sentence, whatever other pictures there are."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_captions import write_captions, write_checkpoint

from lstmzoo.app.captions import captions_of
from lstmzoo.captioning.inference import caption_files, sentence_of, text_of
from lstmzoo.captioning.models.captioner import UNK
from lstmzoo.captioning.setup import load_captioner
from lstmzoo.cli import main
from lstmzoo.errors import LstmzooError

SAMPLING = ["method=sample", "seed=7", "temperature=2.0", "max_length=6"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("options")


@pytest.fixture(scope="module")
def pictures(folder: Path) -> Path:
    return write_captions(folder / "data", images=6) / "Images"


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Path:
    """A captioner that would say nothing but the unknown word."""
    path = write_checkpoint(folder / "x.ckpt", "caption_soft_attention")
    saved = torch.load(path, weights_only=True)
    saved["state_dict"]["model.logits.bias"][UNK] = 50
    torch.save(saved, path)
    return path


def predicted(checkpoint: Path, source: Path, output: Path, *options: str) -> dict[str, list[str]]:
    """What predict writes down for each file."""
    with suppress(SystemExit):  # some could not be read
        assert main(["predict", f"ckpt_path={checkpoint}", f"input={source}", f"output={output}", *options]) == 0
    entries = json.loads((output / "captions.json").read_text())
    return {entry["image_id"]: entry["captions"] for entry in entries}


def test_sampling_does_not_depend_on_other_pictures(checkpoint: Path, pictures: Path, tmp_path: Path) -> None:
    together = predicted(checkpoint, pictures, tmp_path / "all", *SAMPLING, "num_return_sequences=2")
    assert len(together) == 6
    assert len({tuple(texts) for texts in together.values()}) == 6
    some = tmp_path / "some"
    some.mkdir()
    (some / "00.png").write_bytes(b"no picture")
    for name in ("03.png", "05.png"):
        shutil.copy(pictures / name, some / name)
    apart = predicted(checkpoint, some, tmp_path / "out", *SAMPLING, "num_return_sequences=2")
    assert apart == {name: together[name] for name in ("03.png", "05.png")}


def test_what_is_missing_is_shown_in_a_command_that_exists(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("predict", "inspect"):
        assert main([command, f"ckpt_path={checkpoint}"]) == 2
        example = f"input must be given, e.g. lstmzoo {command} ckpt_path={checkpoint} input=PATH"
        assert example in capsys.readouterr().err


def test_where_no_picture_can_be_read_nothing_is_written(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.txt").write_text("broken.jpg\nabsent.jpg\n")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    given = [f"ckpt_path={checkpoint}", f"input={tmp_path / 'list.txt'}", f"output={tmp_path / 'out'}"]
    with pytest.raises(SystemExit):
        main(["predict", *given])
    assert "0 of 2 images done. Nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_more_pictures_than_a_sheet_holds(
    checkpoint: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "lstmzoo.captioning.predict.contact_sheet",
        lambda pictures, captions, path, **about: drawn.append({**about, "images": len(pictures)}),
    )
    for number in range(30):
        shutil.copy(pictures / "01.png", tmp_path / f"{number:02d}.png")
    assert len(predicted(checkpoint, tmp_path, tmp_path / "out", "method=greedy", "max_length=3")) == 30
    names = [f"{number:02d}.png" for number in range(24)]
    assert drawn == [{"images": 24, "names": names, "title": "The first 24 of 30 images"}]


def test_the_unknown_word_and_repetition_where_they_are_wanted(
    checkpoint: Path, pictures: Path, tmp_path: Path
) -> None:
    free = ["no_repeat=false", "allow_unknown=true", "max_length=3", "method=greedy"]
    assert predicted(checkpoint, pictures / "01.png", tmp_path, *free) == {"01.png": ["<unk> <unk> <unk>"]}
    assert "<unk>" not in predicted(checkpoint, pictures / "01.png", tmp_path)["01.png"][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        [*SAMPLING, "num_return_sequences=3"],
        ["num_beams=4", "num_beam_groups=2", "num_return_sequences=2"],
        ["length_penalty=2.0"],
    ],
    ids=["sample", "diverse", "normalised"],
)
def test_inspect_looks_at_the_sentence_that_predict_shows(
    checkpoint: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    shown = predicted(checkpoint, pictures / "03.png", tmp_path, *options)["03.png"][0]
    capsys.readouterr()
    given = [f"ckpt_path={checkpoint}", f"input={pictures / '03.png'}", f"output={tmp_path}"]
    assert main(["inspect", *given, *options]) == 0
    assert capsys.readouterr().out.splitlines()[0] == shown


def test_inspect_says_which_of_several_cells_is_drawn(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subtitles: list[str] = []
    monkeypatch.setattr(
        "lstmzoo.captioning.inspect.word_by_word", lambda *_, subtitle, **__: subtitles.append(subtitle)
    )
    for name, layer in (("caption_updown", "-1"), ("caption_updown", "0"), ("caption_nic", "-1")):
        model = write_checkpoint(tmp_path / f"{name}.ckpt", name, seed=3)
        given = [f"ckpt_path={model}", f"input={pictures / '01.png'}", f"output={tmp_path}", f"layer={layer}"]
        assert main(["inspect", *given]) == 0
    assert subtitles[0].endswith("gates of layer=1, the cell 'telling'")
    assert subtitles[1].endswith("gates of layer=0, the cell 'looking'")
    assert "gates of" not in subtitles[2]


@pytest.mark.slow
def test_inspect_of_an_ensemble_draws_every_member(
    checkpoint: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [write_checkpoint(tmp_path / f"{name}.ckpt", name, seed=3) for name in ("caption_nic", "caption_markov")]
    given = [f"ckpt_path={checkpoint}", f"ensemble=[{','.join(map(str, others))}]", f"input={pictures / '01.png'}"]
    assert main(["inspect", *given, f"output={tmp_path / 'out'}", "caption=A red field"]) == 0
    names = ["member_1.png", "member_2.png", "member_3.png", "word_by_word.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert "caption_markov has no recurrent memory" in capsys.readouterr().out


def test_a_caption_is_given_as_people_write() -> None:
    words = ["<pad>", "<bos>", "<eos>", "<unk>", "a", "dog", "runs"]
    assert sentence_of(" A dog runs. ", words).words == [4, 5, 6]
    with pytest.raises(LstmzooError, match="'cat'"):
        sentence_of("a Cat runs", words)
    with pytest.raises(LstmzooError, match=r"caption='\.\.\.'"):
        sentence_of("...", words)


def measured(folder: Path, **decoding: Any) -> Path:
    """A captioner whose run decoded like this."""
    config = {"task": {"name": "captioning", "decoding": decoding}}
    return write_checkpoint(folder / "measured.ckpt", "caption_soft_attention", config=config)


def test_sentences_are_generated_as_the_weights_were_measured(pictures: Path, tmp_path: Path) -> None:
    own = measured(tmp_path, method="sample", seed=7, temperature=2.0, max_length=6)
    plain = write_checkpoint(tmp_path / "plain.ckpt", "caption_soft_attention")
    expected = predicted(plain, pictures, tmp_path / "1", *SAMPLING)
    assert expected != predicted(plain, pictures, tmp_path / "2")
    assert expected == predicted(own, pictures, tmp_path / "3")
    assert {len(texts[0].split()) for texts in predicted(own, pictures, tmp_path / "4", "max_length=2").values()} <= {
        1,
        2,
    }
    said = [
        text_of(one[0], load_captioner(own).words)
        for _, one in caption_files(load_captioner(own), [*pictures.iterdir()])
    ]
    assert sorted(said) == sorted(texts[0] for texts in expected.values())


@pytest.mark.parametrize(
    "decoding",
    [
        {"num_beams": 10**9},
        {"num_beams": "many"},
        {"beams": 3},
        {"method": "shout"},
        {"num_beams": 0},
        {"num_beams": -1},
        {"length_penalty": 9_000_000_000_000_000_000},
        {"length_penalty": 1000.0},
        {"diversity_penalty": 1e300},
        {"temperature": 1e-40},
        {"temperature": float("nan")},
    ],
)
def test_weights_of_strangers_do_not_decide_everything(
    decoding: dict[str, Any], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, output = measured(tmp_path, **decoding), tmp_path / "out"
    assert main(["predict", f"ckpt_path={own}", f"input={pictures / '00.png'}", f"output={output}"]) == 2
    said = capsys.readouterr().err
    assert str(next(iter(decoding.values()))) in said
    assert own.name in said
    assert not output.exists()


@pytest.mark.parametrize("decoding", [{"method": "greedy"}, {"num_beams": 2, "num_beam_groups": 1}, {}])
def test_the_page_asks_for_several_captions_however_the_weights_were_measured(
    decoding: dict[str, Any], pictures: Path, tmp_path: Path
) -> None:
    found = captions_of(str(measured(tmp_path, max_length=5, **decoding)), pictures / "00.png", 3)
    assert len({text for text, _ in found}) == 3


def test_help_says_where_the_defaults_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("predict", "inspect"):
        assert main([command, "--help"]) == 0
        assert "as the weights were measured" in capsys.readouterr().out
