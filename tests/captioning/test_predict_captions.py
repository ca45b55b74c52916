"""`lstmzoo predict` on images of all kinds: captioned or named, and nothing that is done is lost."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from tiny_captions import write_captions, write_checkpoint

from lstmzoo.captioning.inference import caption_files
from lstmzoo.cli import main
from lstmzoo.config.compose import compose
from tiny_runs import overflowing


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_captions(tmp_path / "data", images=6)


@pytest.fixture
def speaker(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "best.ckpt", "caption_nic")


def test_what_is_passed_over_in_a_folder_is_named(
    speaker: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    (folder / ".hidden").mkdir(parents=True)
    names = ["10.png", "9.JPG", "b.gif", "c.avif", "d.tif", "x.heic", "y.heic", "note.txt", "plain", "._9.jpg"]
    for name in [*names, ".hidden/z.png"]:
        shutil.copyfile(data / "Images" / "01.png", folder / name)
    command = ["predict", f"ckpt_path={speaker}", f"output={tmp_path / 'out'}", "device=cpu"]
    assert main([*command, f"input={folder}"]) == 0
    said = json.loads((tmp_path / "out" / "captions.json").read_text())
    assert [entry["image_id"] for entry in said] == ["9.JPG", "10.png", "b.gif", "c.avif", "d.tif"]
    assert ".heic (2), .txt (1), without suffix (1)" in capsys.readouterr().out
    for name in names[:5]:
        (folder / name).unlink()
    assert main([*command, f"input={folder}"]) == 2
    assert ".heic (2), .txt (1), without suffix (1)" in capsys.readouterr().err


@pytest.mark.slow
def test_strange_images_are_captioned_or_named(
    failing: Path, speaker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"ckpt_path={speaker}", f"input={failing / 'pictures'}", f"output={tmp_path / 'out'}", "device=cpu"]
    with pytest.raises(SystemExit) as exit_code:
        main(["predict", *arguments])
    assert exit_code.value.code == 1
    said = {entry["image_id"] for entry in json.loads((tmp_path / "out" / "captions.json").read_text())}
    shown = capsys.readouterr()
    for path in (failing / "pictures").iterdir():
        named = sum(str(path) in line for line in shown.err.splitlines())
        assert (path.name in said) + named == (path.suffix != "")
    assert "without suffix (1)" in shown.out


def test_what_was_captioned_before_a_stop_is_kept(
    speaker: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_after_three(*arguments: Any, **options: Any) -> Iterator[Any]:
        yield from itertools.islice(caption_files(*arguments, **options), 3)
        raise KeyboardInterrupt

    monkeypatch.setattr("lstmzoo.captioning.predict.caption_files", stop_after_three)
    given = ["predict", f"ckpt_path={speaker}", f"input={data / 'Images'}", f"output={tmp_path}", "device=cpu"]
    assert main(given) == 130
    assert len(json.loads((tmp_path / "captions.json").read_text())) == 3


@pytest.mark.slow
@pytest.mark.parametrize("method", ["beam", "sample"])
def test_outputs_that_are_not_finite_are_no_captions(
    speaker: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    settings = [
        "experiment=captions_nic",
        "model.encoder=small",
        "data=captions",
        f"data.root={data}",
        "data.min_count=1",
    ]
    config = OmegaConf.to_container(compose("train", [*settings, "data.num_workers=0"]), resolve=True)
    sound = write_checkpoint(tmp_path / "sound.ckpt", "caption_nic", config=config)
    broken, output = overflowing(sound, tmp_path / "broken.ckpt"), tmp_path / "out"
    image = data / "Images" / "00.png"
    for command in ("predict", "inspect"):
        given = [f"ckpt_path={broken}", f"input={image}", f"output={output}", f"method={method}"]
        assert main([command, *given]) == 2
        said = capsys.readouterr().err
        assert f"{image}: the outputs of the network of {broken} are not finite" in said
        assert not output.exists()
    assert main(["inspect", f"ckpt_path={broken}", f"input={image}", f"output={output}", "caption=a red field"]) == 2
    assert main(["eval", f"ckpt_path={broken}", f"output={output}", f"task.decoding.method={method}"]) == 2
    assert f"the network of {broken} are not finite" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["predict", f"ckpt_path={broken}", f"input={image.parent}", f"output={output}", f"method={method}"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert all(str(path) in said for path in image.parent.iterdir())
