"""Weights in folders: the encoder shared, everything checked, found by name, by tag and by address."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import struct
import threading
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import lstmzoo
from lstmzoo.errors import CheckpointError, DataError, LstmzooError
from lstmzoo.io.download import digest_of, fetch
from lstmzoo.models.pretrained import names
from lstmzoo.models.pretrained.names import CARD, CONFIG, TENSORS

CLASSES = ["walking", "running"]
LAST, TUNED = "classifier.weight", "blocks.6.0.conv_pwl.weight"
TRANSFORM = {"size": [32, 32], "grey": True, "clip_len": 4, "frame_interval": 2, "fps": 25.0}


def small(**arguments: Any) -> Any:
    torch.manual_seed(0)
    model: Any = lstmzoo.create_model("action_rnn", num_classes=2, feature_size=8, hidden_size=8, **arguments)
    model.classes, model.transform = CLASSES, TRANSFORM
    return model.eval()


def lite(name: str, encoder: str) -> Any:
    """A model around a packaged encoder."""
    arguments: dict[str, Any] = {"encoder": encoder, "pretrained_encoder": True}
    if name == "action_rnn":
        return small(**arguments, input="rgb")
    model: Any = lstmzoo.create_model(name, **arguments, **({"vocab_size": 5} if name == "caption_nic" else {}))
    if name == "caption_nic":
        words = {"specials": ["<pad>", "<bos>", "<eos>", "<unk>"], "words": ["dog"]}
        model.metadata = {"data": {}, "config": {}, "vocabulary": words}
    return model.eval()


def write(folder: Path, data: str = "kth_simulated", **arguments: Any) -> Path:
    model = small(**arguments)
    model.metadata = {"data": {"name": data}, "config": {}}
    return lstmzoo.save_pretrained(model, folder)


def changed(folder: Path, **weights: Any) -> None:
    """Change the config, leaving everything else."""
    config = json.loads((folder / CONFIG).read_text())
    config["weights"].update(weights)
    (folder / CONFIG).write_text(json.dumps(config))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "mine")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of shipped weights, with two of one model."""
    monkeypatch.setattr(names, "SHIPPED", tmp_path / "shelf")
    write(tmp_path / "shelf" / "kth_lstm")
    write(tmp_path / "shelf" / "kth_gru", cell="gru")
    return tmp_path / "shelf"


# the format


def test_all_files_may_be_read_by_the_same_people(folder: Path) -> None:
    assert len({file.stat().st_mode for file in folder.iterdir()}) == 1


def test_all_that_inference_needs_is_inside(folder: Path) -> None:
    model, video = small(), torch.randint(0, 256, (2, 4, 1, 32, 32), dtype=torch.uint8)
    for loaded in (lstmzoo.load(folder), lstmzoo.load(folder / CONFIG), type(model).from_pretrained(folder)):
        assert torch.equal(loaded(video), model(video))
        assert (loaded.classes, loaded.transform, loaded.training) == (CLASSES, TRANSFORM, False)
    assert {file.name for file in folder.iterdir()} == {CONFIG, TENSORS, CARD}


def test_float16_halves_the_matrices_and_comes_back_as_float32(tmp_path: Path) -> None:
    model = small()
    model.save_pretrained(tmp_path / "half", float16=True)
    stored, loaded = load_file(tmp_path / "half" / TENSORS), lstmzoo.load(tmp_path / "half").state_dict()
    for name, weight in model.state_dict().items():
        expected = weight.half().float() if weight.dim() > 1 else weight
        assert torch.equal(loaded[name], expected), name
        assert stored[name].dtype == (torch.float16 if weight.dim() > 1 else weight.dtype)
    model.get_parameter(LAST).data[0, 0] = 1e5
    with pytest.raises(LstmzooError, match=LAST):
        model.save_pretrained(tmp_path / "half", float16=True)
    assert torch.equal(lstmzoo.load(tmp_path / "half").state_dict()[LAST], loaded[LAST])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "encoder", "prefix", "float16"),
    [
        ("action_rnn", "efficientnet_lite0", "encoder.network.", False),
        ("action_rnn", "efficientnet_lite0", "encoder.network.", True),
        ("caption_nic", "efficientnet_lite2", "encoder.network.", False),
        ("segment_framewise", "efficientnet_lite0", "encoder.stages.", False),
    ],
)
def test_packaged_encoders_are_left_out(name: str, encoder: str, prefix: str, float16: bool, tmp_path: Path) -> None:
    model = lite(name, encoder)
    model.get_parameter(prefix + TUNED).data[0, 0] += 1
    model.save_pretrained(tmp_path / "lite", float16=float16)
    stored = load_file(tmp_path / "lite" / TENSORS)
    assert [name for name in stored if name.startswith(prefix)] == [f"{prefix}{TUNED}"]
    loaded = lstmzoo.load(tmp_path / "lite").state_dict()
    for name, weight in model.state_dict().items():
        if name not in stored or not float16:
            assert torch.equal(loaded[name], weight), name
    listed = json.loads((tmp_path / "lite" / CONFIG).read_text())["weights"]["encoder"]
    assert {prefix + name for name in listed["tensors"]} | stored.keys() == model.state_dict().keys()
    changed(tmp_path / "lite", encoder={**listed, "tensors": [one for one in listed["tensors"] if one != "bn1.bias"]})
    with pytest.raises(CheckpointError, match=f"{prefix}bn1.bias"):
        lstmzoo.load(tmp_path / "lite")
    for wrong in (
        {**listed, "tensors": [*listed["tensors"], TUNED]},
        {**listed, "tensors": ["nothing"]},
        {**listed, "tensors": "bn1.bias"},
        {**listed, "name": "../x"},
        {**listed, "name": []},
        {**listed, "prefix": 5},
        None,
        [],
    ):
        changed(tmp_path / "lite", encoder=wrong)
        with pytest.raises(CheckpointError, match=CONFIG):
            lstmzoo.load(tmp_path / "lite")


def test_paths_of_this_machine_are_left_out(tmp_path: Path) -> None:
    model = small()
    model.metadata = {"data": {"name": "kth", "root": str(tmp_path)}, "config": {"task": {"start_from": str(tmp_path)}}}
    lstmzoo.save_pretrained(model, tmp_path / "mine")
    assert str(tmp_path) not in (tmp_path / "mine" / CONFIG).read_text()
    assert lstmzoo.load(tmp_path / "mine").metadata["data"] == {"name": "kth"}


def test_what_else_is_in_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(LstmzooError, match=r"thesis\.tex"):
        small().save_pretrained(tmp_path / "mine")
    assert [file.name for file in tmp_path.rglob("*")] == ["mine", "thesis.tex"]


def test_a_model_that_does_not_say_what_its_classes_are_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(LstmzooError, match=r"model\.classes"):
        lstmzoo.save_pretrained(lstmzoo.create_model("action_rnn"), tmp_path / "mine")
    with pytest.raises(LstmzooError, match="Linear"):
        lstmzoo.save_pretrained(torch.nn.Linear(2, 2), tmp_path / "mine")
    assert not list(tmp_path.iterdir())


# damaged and hostile folders; hostile metadata is in test_crafted_checkpoints.py


def refused(folder: Path, match: str = "") -> None:
    with pytest.raises(CheckpointError, match=match) as caught:
        lstmzoo.load(folder)
    assert "\n" not in str(caught.value)
    assert folder.name in str(caught.value)


def test_another_file_of_weights_is_refused(folder: Path) -> None:
    content = bytearray((folder / TENSORS).read_bytes())
    content[-1] ^= 1
    (folder / TENSORS).write_bytes(content)
    refused(folder, digest_of(folder / TENSORS))


@pytest.mark.parametrize("length", [0, 5, 8, 100, -100, -1])
def test_a_truncated_file_is_refused_whatever_its_digest(length: int, folder: Path) -> None:
    (folder / TENSORS).write_bytes((folder / TENSORS).read_bytes()[:length])
    refused(folder, TENSORS)
    changed(folder, sha256=digest_of(folder / TENSORS))
    refused(folder, TENSORS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda weights: weights.pop(LAST), LAST),
        (lambda weights: weights.update(more=torch.zeros(1)), "more"),
        (lambda weights: weights.update({LAST: torch.zeros(3, 8)}), LAST),
        (lambda weights: weights.update({LAST: torch.zeros(2, 8, dtype=torch.int64)}), LAST),
        (lambda weights: weights.update({LAST: torch.full((2, 8), torch.nan)}), LAST),
        (lambda weights: weights.clear(), "weight"),
    ],
)
def test_other_weights_are_refused(change: Callable[[dict[str, Any]], Any], said: str, folder: Path) -> None:
    weights = {name: weight.clone() for name, weight in load_file(folder / TENSORS).items()}
    change(weights)
    save_file(weights, folder / TENSORS)
    changed(folder, sha256=digest_of(folder / TENSORS))
    refused(folder, said)


def test_numbers_that_are_not_finite_are_nothing_to_train_again(folder: Path) -> None:
    """Whoever loads a folder may not have made it."""
    save_file({**load_file(folder / TENSORS), LAST: torch.full((2, 8), torch.nan)}, folder / TENSORS)
    changed(folder, sha256=digest_of(folder / TENSORS))
    with pytest.raises(CheckpointError, match=LAST) as caught:
        lstmzoo.load(folder)
    assert "task.lr" not in str(caught.value)


def tensor_file(header: dict[str, Any] | bytes, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


@pytest.mark.parametrize(
    "content",
    [
        tensor_file({}, 2**63),
        tensor_file({}, 10**7),
        tensor_file(b"[" * 5000),
        tensor_file({"x": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}),
        tensor_file({"x": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
        tensor_file({"x": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}),
        tensor_file({"x": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 1]}}) + b"x",
        tensor_file({f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(150_000)}),
        b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.",
    ],
    ids=range(9),
)
def test_hostile_files_of_weights_are_refused(
    content: bytes, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / TENSORS).write_bytes(content)
    changed(folder, sha256=digest_of(folder / TENSORS))
    refused(folder, TENSORS)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "5", "[" * 100_000, "{", '{"lstmzoo": 1}', "\xff", '{"a": ' + "9" * 5000 + "}", "null"]
)
def test_a_config_that_is_none(text: str, folder: Path) -> None:
    (folder / CONFIG).write_text(text, encoding="latin-1")
    refused(folder, CONFIG)


def test_a_config_of_endless_size_or_kind(folder: Path) -> None:
    os.truncate(folder / CONFIG, 10**11)
    refused(folder, CONFIG)
    (folder / CONFIG).unlink()
    refused(folder, CONFIG)
    os.mkfifo(folder / CONFIG)
    refused(folder, CONFIG)


def test_weights_that_are_no_file(folder: Path) -> None:
    (folder / TENSORS).unlink()
    refused(folder, TENSORS)
    (folder / TENSORS).symlink_to("/dev/zero")
    refused(folder, TENSORS)


# by name and by tag


def test_names(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lstmzoo.load("kth_gru").model_args["cell"] == "gru"
    assert lstmzoo.from_pretrained("kth_gru").model_args["cell"] == "gru"
    with pytest.raises(CheckpointError, match=r"kth_gru2.*kth_gru.*kth_lstm"):
        lstmzoo.load("kth_gru2")
    monkeypatch.chdir(tmp_path)
    write(Path("kth_gru"), cell="mgu")
    assert lstmzoo.load("kth_gru").model_args["cell"] == "mgu"  # what is there wins


def test_tags(shelf: Path) -> None:
    model: Any = lstmzoo.create_model("action_rnn", pretrained="kth_gru")
    assert (model.model_args["cell"], model.training, model.classes) == ("gru", True, CLASSES)
    model = lstmzoo.create_model("action_rnn", pretrained="kth_simulated", cell="gru")
    assert torch.equal(model.state_dict()[LAST], lstmzoo.load("kth_gru").state_dict()[LAST])
    model = lstmzoo.create_model("action_rnn", pretrained="kth_simulated")
    assert model.model_args["cell"] == "lstm"  # the default
    write(shelf / "kth_lstm_again")
    with pytest.raises(LstmzooError, match=r"kth_lstm, kth_lstm_again"):
        lstmzoo.create_model("action_rnn", pretrained="kth_simulated")
    for name, score in (("kth_lstm", 0.8), ("kth_lstm_again", 0.9)):
        config = json.loads((shelf / name / CONFIG).read_text())
        measured = {"data": "kth", "split": "test", "command": "lstmzoo eval", "values": {"accuracy": score}}
        config["card"] = {"headline": "accuracy", "metrics": [measured]}
        (shelf / name / CONFIG).write_text(json.dumps(config))
    model = lstmzoo.create_model("action_rnn", pretrained="kth_simulated")
    assert model.checkpoint.endswith("kth_lstm_again")  # the better one
    shutil.rmtree(shelf / "kth_lstm_again")
    with pytest.raises(LstmzooError, match=r"hidden_size=8, not 9"):
        lstmzoo.create_model("action_rnn", pretrained="kth_lstm", hidden_size=9)
    for tag in ("kth", True):
        with pytest.raises(LstmzooError, match=rf"{tag}.*kth_gru, kth_lstm, kth_simulated"):
            lstmzoo.create_model("action_rnn", pretrained=tag)  # type: ignore[arg-type]
    with pytest.raises(LstmzooError, match=r"kth_simulated.*none"):
        lstmzoo.create_model("action_framewise", pretrained="kth_simulated")


# by address


class Server:
    """A web server on this machine, in the place of https://example.org."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        handler = partial(self.handler(), directory=str(folder))
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        place = f"http://127.0.0.1:{self.http.server_port}"
        opener = lambda url: urllib.request.urlopen(url.replace("https://example.org", place), timeout=10)  # noqa: E731
        monkeypatch.setitem(fetch.__kwdefaults__, "opener", opener)

    def handler(self) -> Any:
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                asked.append(self.path)

            def do_GET(self) -> None:
                if not self.path.startswith("/broken"):
                    super().do_GET()
                    return
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                self.wfile.write(b"x" * 1000)

        return Handler


@pytest.fixture
def server(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    server = Server(tmp_path, monkeypatch)
    yield server
    server.http.shutdown()
    server.http.server_close()


def test_an_address(server: Server, folder: Path, tmp_path: Path) -> None:
    url, sha256 = f"https://example.org/mine/{CONFIG}", digest_of(folder / CONFIG)
    for _ in range(2):
        assert lstmzoo.load(url, sha256=sha256).classes == CLASSES
    assert [one.rpartition("/")[2] for one in server.asked] == [CONFIG, TENSORS]  # once each
    changed(folder, sha256="0" * 64)
    with pytest.raises(DataError, match="0" * 64):
        lstmzoo.load(url, sha256=digest_of(folder / CONFIG))
    with pytest.raises(DataError, match=sha256[::-1]):
        lstmzoo.load(url + "?again", sha256=sha256[::-1])


def test_the_address_of_a_checkpoint(server: Server, tmp_path: Path) -> None:
    model = small()
    metadata = lstmzoo.models.checkpoint_metadata(model.model_name, model.model_args, CLASSES, TRANSFORM)
    weights = {f"model.{name}": weight for name, weight in model.state_dict().items()}
    torch.save({"state_dict": weights, "lstmzoo": metadata}, tmp_path / "a.ckpt")
    loaded = lstmzoo.load("https://example.org/a.ckpt", sha256=digest_of(tmp_path / "a.ckpt"))
    assert loaded.classes == CLASSES


@pytest.mark.parametrize(
    ("url", "sha256", "error"),
    [
        (f"https://example.org/mine/{CONFIG}", None, CheckpointError),
        (f"https://example.org/mine/{CONFIG}", "../x", CheckpointError),
        (f"http://example.org/mine/{CONFIG}", "0" * 64, DataError),
        (f"file:///mine/{CONFIG}", "0" * 64, DataError),
        ("https://example.org/mine/", "0" * 64, CheckpointError),
        (f"https://example.org/nothing/{CONFIG}", "0" * 64, DataError),
        (f"https://example.org/mine/{CONFIG}", "0" * 64, DataError),
        (f"https://example.org/broken/{CONFIG}", hashlib.sha256(b"x" * 1000).hexdigest(), DataError),
    ],
)
def test_what_is_not_loaded_from_an_address_leaves_nothing(
    url: str, sha256: str | None, error: type[Exception], server: Server, tmp_path: Path
) -> None:
    with pytest.raises(error):
        lstmzoo.load(url, sha256=sha256)
    assert not (tmp_path / "cache").exists()


def test_a_digest_without_an_address(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="sha256"):
        lstmzoo.load(folder, sha256="0" * 64)
