"""Every model as ONNX and pt2: what was written gives what PyTorch gives, whole and step by step."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import lstmzoo
from lstmzoo.captioning.inference import caption_files, text_of
from lstmzoo.captioning.models.decode import Decoding
from lstmzoo.cli import main
from lstmzoo.conformance import _metadata, _small_task
from lstmzoo.errors import LstmzooError
from lstmzoo.registry import models
from lstmzoo.runs import deploy as deploying
from lstmzoo.runs.deploy import deploy

ROOT = Path(__file__).resolve().parents[2]
OURS = [name for name in models.names() if models.get(name).target.__module__.startswith("lstmzoo.")]
FORMATS = ("onnx", "pt2")

pytestmark = pytest.mark.slow

Run = Callable[..., dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes the checkpoint of a small model, with other settings or metadata."""

    def make(name: str, settings: dict[str, Any] | None = None, **changed: Any) -> Path:
        task = _small_task(name)
        if settings:
            task.model = lstmzoo.create_model(name, **{**task.model.model_args, **settings})
        metadata = _metadata(task) | {"data": {"clip_len": 3}} | changed
        if "size" in metadata["transform"]:
            metadata["transform"]["size"] = [32, 48] if name.startswith("segment") else [32, 32]
        path = tmp_path_factory.mktemp(name) / "model.ckpt"
        torch.save({"lstmzoo": metadata, "state_dict": task.state_dict()}, path)
        return path

    return make


def open_file(path: Path) -> tuple[Run, dict[str, Any]]:
    """A file as a function of tensors by name, and its metadata; as a user would, who has nothing of this package."""
    if path.suffix == ".onnx":
        onnxruntime = pytest.importorskip("onnxruntime")
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        about = {key: json.loads(text) for key, text in session.get_modelmeta().custom_metadata_map.items()}
        assert [one.name for one in session.get_inputs()] == [*about["inputs"]]

        def run(**given: torch.Tensor) -> dict[str, torch.Tensor]:
            found = session.run([*about["outputs"]], {name: value.numpy() for name, value in given.items()})
            return dict(zip(about["outputs"], map(torch.from_numpy, found), strict=True))

        return run, about
    texts = dict.fromkeys(("classes", "vocabulary", "transform", "licence", "inputs", "outputs", "model"), "")
    program = torch.export.load(path, extra_files=texts).module()
    about = {key: json.loads(text) for key, text in texts.items()}
    return lambda **given: program(*(given[name] for name in about["inputs"])), about


def random_inputs(about: dict[str, Any], **sizes: int) -> dict[str, torch.Tensor]:
    drawn = {}
    for name, port in about["inputs"].items():
        shape = [sizes.get(size, size) for size in port["shape"]]
        kind = getattr(torch, port["type"])
        high = 256 if kind == torch.uint8 else 2
        drawn[name] = (
            torch.randn(shape) if kind == torch.float32 and name == "x" else torch.randint(high, shape).to(kind)
        )
    return drawn


def stream(start: Run, step: Run, first: dict[str, torch.Tensor], later: list[dict[str, torch.Tensor]]) -> list[Any]:
    """What a client does: the states that come out go in again."""
    found = [start(**first)]
    for given in later:
        state = {name.removeprefix("next_"): value for name, value in found[-1].items() if "state_" in name}
        found.append(step(**given, **state))
    return [one["logits"] for one in found]


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", OURS)
@torch.no_grad()
def test_every_model_gives_the_same_outside_of_pytorch(name: str, form: str, checkpoint: Any, tmp_path: Path) -> None:
    path = checkpoint(name)
    if name == "segment_follow":  # the only one: which frame it starts from depends on the video
        with pytest.raises(LstmzooError, match="segment_matching"):
            deploy(path, tmp_path / "whole", form)
        assert not (tmp_path / "whole").exists()
        return
    model: Any = lstmzoo.load(path)
    written = {file.name: file for file in deploy(path, tmp_path / "whole", form)}
    if name.startswith("caption"):
        assert [*written] == [f"encoder.{form}", f"step.{form}"]
        encoder, about = open_file(tmp_path / "whole" / f"encoder.{form}")
        step, _ = open_file(tmp_path / "whole" / f"step.{form}")
        given = random_inputs(about, batch=4)
        tokens = torch.tensor([[1, 4, 5], [1, 5, 4], [1, 4, 4], [1, 5, 5]])
        expected = model(model.encode(given["images"]), tokens, torch.tensor([3] * 4)).log_softmax(-1)
        state = encoder(**given)
        for t in range(3):
            new = step(words=tokens[:, t], **state)
            close(new["log_probs"], expected[:, t])
            state |= {key.removeprefix("next_"): value for key, value in new.items() if key.startswith("next_")}
        return
    clip, about = open_file(tmp_path / "whole" / f"clip.{form}")
    assert about["model"]["name"] == name
    free = written[f"clip.{form}"].free
    assert "batch" in free
    assert ("time" in free) != getattr(model, "guided", False)
    sizes = {"batch": 4, "time": 6, "objects": 4}
    given = random_inputs(about, **sizes)
    expected = model(*given.values())
    expected = expected if isinstance(expected, torch.Tensor) else expected[0]
    close(clip(**given)["logits"], expected)
    if form == "onnx" and name == "segment_recurrent":
        return  # a minute; pt2 has its stream, and the guided ones have theirs in ONNX
    deploy(path, tmp_path / "stream", form, step=True)
    start, first = open_file(tmp_path / "stream" / f"start.{form}")
    step, _ = open_file(tmp_path / "stream" / f"step.{form}")
    x, *others = given
    axis = next(iter(first["inputs"]))
    frames = [{axis: frame} for frame in given[x].unbind(1)]
    found = stream(start, step, {**frames[0], **{key: given[key] for key in others}}, frames[1:])
    if expected.dim() == 2:  # actions: after the last frame
        close(found[-1], expected)
    else:
        close(torch.stack(found[-expected.shape[1] :], 1), expected)


@pytest.fixture
def actions(checkpoint: Any) -> Path:
    return checkpoint("action_rnn", data={"name": "kth", "root": "x"})


@pytest.mark.parametrize("form", FORMATS)
def test_what_has_to_be_known_is_in_the_file(form: str, actions: Path, tmp_path: Path) -> None:
    assert main(["export", f"ckpt_path={actions}", f"output={tmp_path / 'half'}", "float16=true"]) == 0
    assert main(["export", f"ckpt_path={tmp_path / 'half'}", f"output={tmp_path / 'out'}", f"format={form}"]) == 0
    run, about = open_file(tmp_path / "out" / f"clip.{form}")
    model: Any = lstmzoo.load(actions)
    assert about["classes"] == model.classes
    assert about["vocabulary"] == []
    assert about["licence"] == "non-commercial use"
    assert about["transform"].items() >= model.transform.items()
    assert (about["transform"]["mean"], about["transform"]["std"]) == ([0.5], [0.25])
    assert about["inputs"] == {"video": {"type": "uint8", "shape": ["batch", "time", 1, 32, 32]}}
    assert about["outputs"]["logits"] == {"type": "float32", "shape": ["batch", len(model.classes)]}
    assert run(video=torch.zeros(1, 1, 1, 32, 32, dtype=torch.uint8))["logits"].dtype == torch.float32


def test_the_example_says_what_predict_says(checkpoint: Any, tmp_path: Path) -> None:
    """In a process that can import neither torch nor this package."""
    decoding = {"method": "beam", "num_beams": 3, "max_length": 6, "length_penalty": 0.7}
    path = checkpoint("caption_soft_attention", config={"task": {"decoding": decoding}})
    deploy(path, tmp_path / "captioner", "onnx")
    model: Any = lstmzoo.load(path)
    photos = []
    side = model.encoder.image_size
    for number, size in enumerate([(side, side), (side // 2 - 3, side // 3), (2 * side + 7, 3 * side)]):
        photos.append(tmp_path / f"{number}.png")
        Image.fromarray(np.random.default_rng(number).integers(256, size=(*size, 3), dtype=np.uint8)).save(photos[-1])
    block = "import sys, runpy; sys.modules.update(torch=None, lstmzoo=None); sys.argv = sys.argv[1:]; "
    command = [sys.executable, "-c", f"{block}runpy.run_path(sys.argv[0])", str(ROOT / "scripts" / "caption_onnx.py")]
    printed = subprocess.run([*command, str(tmp_path / "captioner"), *map(str, photos)], capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr
    expected = [
        f"{photo}: {text_of(sentences[0], model.words)}"
        for photo, sentences in caption_files(model, photos, Decoding(**decoding))
    ]
    assert printed.stdout.splitlines() == expected


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["export", *words]) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def test_another_size_and_the_names_of_a_cells_states(checkpoint: Any, tmp_path: Path) -> None:
    path = checkpoint("action_rnn", {"readout": "last", "cell": "slstm"})
    deploy(path, tmp_path / "out", "pt2", step=True, size=[40, 48])
    _, about = open_file(tmp_path / "out" / "step.pt2")
    assert about["transform"]["size"] == [40, 48]
    states = [f"state_rnn_{name}" for name in lstmzoo.load(path).rnn.cell.state]
    assert [*about["inputs"]] == ["frame", *states]
    assert [*about["outputs"]] == ["logits", *(f"next_{name}" for name in states)]
    assert about["inputs"]["frame"]["shape"] == ["batch", 1, 40, 48]


def test_mistakes_are_one_message_each(
    actions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, output = f"ckpt_path={actions}", f"output={tmp_path / 'out'}"
    message = refused(capsys, own, output, "format=tflite")
    assert all(word in message for word in ("tflite", "onnx", "pt2", "safetensors"))
    message = refused(capsys, "ckpt_path=kth_sim_lstn", output, "format=pt2")
    assert all(word in message for word in ("kth_sim_lstn", "kth_sim_lstm"))
    assert "float16" in refused(capsys, own, output, "format=pt2", "float16=true")
    assert "step" in refused(capsys, own, output, "step=true")
    assert "16" in refused(capsys, own, output, "format=pt2", "size=[16,16]")
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in refused(capsys, own, f"output={tmp_path / 'file'}", "format=pt2")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    assert "thesis.tex" in refused(capsys, own, f"output={tmp_path / 'full'}", "format=pt2")
    assert [one.name for one in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    message = refused(capsys, own, output, "format=onnx")
    assert all(word in message for word in ("onnxruntime", "lstmzoo[onnx]", "format=pt2"))
    assert not (tmp_path / "out").exists()


def test_a_network_of_both_directions_has_no_step(
    checkpoint: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint("segment_recurrent", {"bidirectional": True})
    assert "bidirectional" in refused(
        capsys, f"ckpt_path={path}", f"output={tmp_path / 'out'}", "format=pt2", "step=true"
    )


def test_what_differs_is_not_written(actions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def off_by_a_little(*args: Any) -> Any:
        run = deploying._write_pt2(*args)
        return lambda given: [one + 0.01 for one in run(given)]

    monkeypatch.setitem(deploying.WRITE, "pt2", off_by_a_little)
    with pytest.raises(LstmzooError, match=r"logits .* 0\.01"):
        deploy(actions, tmp_path / "out", "pt2")
    assert not (tmp_path / "out").exists()
    deploy(actions, tmp_path / "out", "pt2", tolerance=0.02)
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["clip.pt2"]


def test_a_model_that_says_nothing_is_named(actions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("lstmzoo.actions.models.action_model.ActionModel.deployment")
    with pytest.raises(LstmzooError, match="action_rnn"):
        deploy(actions, tmp_path / "out", "pt2")
