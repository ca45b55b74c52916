"""Checkpoints as a stranger might craft them: from a sound one, by one change each; made by code, none is kept.

``crafted(base)`` yields a name and the bytes of each file. Whatever is done with them must end with an exit code of
lstmzoo's own and one message, soon, without running code, and without writing outside of the folder asked for.
"""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

import lstmzoo
from lstmzoo.config.compose import compose
from lstmzoo.models import checkpoint_metadata
from tiny_runs import settings

STRANGER = "stranger_module"
"""The module that crafted files name; importing it leaves ``ran`` in the folder that $STRANGER names."""

Checkpoint = dict[str, Any]


def write_stranger(folder: Path) -> Path:
    """Write the module that must never be imported; return the file that shows if it was."""
    code = f"""import os, pathlib
pathlib.Path({str(folder / "ran")!r}).write_text("ran")
from lstmzoo.nn.cells import LSTM as MyCell
"""
    (folder / f"{STRANGER}.py").write_text(code)
    return folder / "ran"


def sound(root: Path) -> Checkpoint:
    """The checkpoint of an untrained network for the tiny KTH in `root`, with all that ``lstmzoo train`` writes."""
    from omegaconf import OmegaConf

    from lstmzoo.actions.data.kth import ACTIONS

    config: Any = OmegaConf.to_container(compose("train", settings(root)), resolve=True)
    config["data"]["num_workers"] = 0
    arguments = {key: value for key, value in config["model"].items() if key != "name"}
    torch.manual_seed(0)
    model: Any = lstmzoo.create_model("action_rnn", num_classes=len(ACTIONS), **arguments)
    transform = {"size": [32, 32], "grey": True, "clip_len": 4, "frame_interval": 2}
    classes = list(ACTIONS)
    metadata = checkpoint_metadata("action_rnn", model.model_args, classes, transform, config["data"], config)
    return {"state_dict": {f"model.{key}": value for key, value in model.state_dict().items()}, "lstmzoo": metadata}


def resumable(base: Checkpoint, step: int = 0) -> Checkpoint:
    """A checkpoint with all that a training that goes on needs, as far as a file alone can tell."""
    progress = {part: dict.fromkeys(("ready", "started", "processed", "completed"), 0) for part in ("total", "current")}
    loop = {"epoch_progress": progress, "epoch_loop.batch_progress": progress, "epoch_loop.state_dict": {}}
    moments = {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(2), "exp_avg_sq": torch.zeros(2)}}
    return base | {
        "epoch": 0,
        "global_step": step,
        "pytorch-lightning_version": "2.6.0",
        "loops": {"fit_loop": loop},
        "callbacks": {"Checkpoints": {"best_score": None, "best_epoch": None}},
        "optimizer_states": [{"state": moments, "param_groups": [{"params": [0]}]}],
        "lr_schedulers": [],
    }


def crafted(base: Checkpoint) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of every crafted file."""
    for name, change in {**places(base), **weights(base), **whole()}.items():
        changed = copy.deepcopy(base)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = change(changed)
            yield name, saved(changed if result is None else result)
    yield from files(saved(base))


def saved(checkpoint: Any) -> bytes:
    """What ``torch.save`` writes."""
    file, usual = io.BytesIO(), sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)  # pickling what is nested deeply
    try:
        torch.save(checkpoint, file)
    finally:
        sys.setrecursionlimit(usual)
    return file.getvalue()


def places(base: Checkpoint) -> dict[str, Callable[[Checkpoint], Any]]:
    """One value of the metadata is another, or is missing."""
    own = f"{STRANGER}:MyCell"
    deep: Any = 1
    for _ in range(3000):
        deep = [deep]
    wide: Any = 1
    for _ in range(60):
        wide = [wide, wide]
    values: dict[str, list[Any]] = {
        "config.model.cell": [own, f"{STRANGER}:", ":", f"{STRANGER}::MyCell", "antigravity:x", 5, None],
        "model.args.cell": [own, f"{STRANGER}:", "antigravity:x", "lstn", 5, [own]],
        "config.model": [None, "lstm", [], deep],
        "config.model.name": [own, "caption_nic", 7],
        "model.name": [own, "caption_nic", "", "../x"],
        "config.trainer": [None, 5],
        "config.trainer.devices": [64, "x", [0, 1, 2, 3]],
        "config.trainer.strategy": ["ddp", own],
        "config.trainer.default_root_dir": ["OUTSIDE"],
        "config.callbacks": [{"mine": {"_target_": own}}, None],
        "config.logger.tensorboard": [True],
        "config.seed": [-1, "x", 2**62, None, float("nan")],
        "config.task": [None, "x", [], {}, deep],
        "config.task.name": ["nothing", 5, "captioning", "segmentation"],
        "config.task.lr": ["x", float("nan"), -1.0],
        "config.task.start_from": ["OUTSIDE"],
        "config.task.ensemble": [["OUTSIDE"]],
        "config.task.foo": [1],
        "config.data": [None, [], "kth", deep],
        "config.data.name": ["nothing", None, "video_folder", "captions", "davis", "../x"],
        "config.data.root": [None, 5, "/nowhere", "${oc.env:HOME}", "${nope:1}", "???", "a\x1b[31m", "a\0b", "/proc"],
        "config.data.cache_dir": ["OUTSIDE", "${oc.env:HOME}/x", 5],
        "config.data.num_workers": [100_000, -1, "x"],
        "config.data.batch_size": ["x", 0, -1, 10**12, 2.5],
        "config.data.size": [None, [0, 0], [32], "x", [32.5, 32], [10**6, 10**6], deep],
        "config.data.group_pattern": [".?" * 26 + "(\\0)", "(a+)+b"],
        "config.data.frame_interval": [0, -5, 10**9],
        "config.data.clip_len": [0, 10**9],
        "config.data.test_clips": [0, 10**9],
        "config.data.protocol": ["nothing", "../x", 5],
        "config.data.folds": [0, -1, 10**9],
        "config.data.fold": [-1, 99],
        "config.data.foo": [1],
        "config.hydra": [{"run": {"dir": "OUTSIDE"}}],
        "config": [None, [], deep],
        "data": [None, deep],
        "transform": [None, {}, deep],
        "transform.size": [[0, 0], [-3, 5], [32], "x", None, [32.5, 32], [10**6, 10**6], [4096, 4096]],
        "transform.clip_len": [10**9, 0, None, "x"],
        "transform.frame_interval": [10**9, 0, None],
        "transform.grey": [None, "x", 5, False],
        "transform.fps": ["x", [25], 0, -25, 1e-9, 1e12, float("nan"), True, None],
        "model": [None, "action_rnn", {}],
        "model.args": [None, {}, {1: 2}],
        "model.args.num_layers": [10**6, 10**4, 0, -1, 2.5, "x", None, float("nan"), True],
        "model.args.hidden_size": [10**6, 10**12, 2**62, 0],
        "model.args.feature_size": [10**6, "x"],
        "model.args.num_classes": [10**9, 5],
        "model.args.dropout": [float("nan"), float("inf"), -1.0, 2.0, "x"],
        "model.args.encoder": ["nothing", "../x", 5, "resnet18"],
        "model.args.pretrained_encoder": [True, "x"],
        "model.args.readout": ["nothing", None],
        "model.args.input": ["nothing", 5, "rgb"],
        "model.args.forget_bias": [float("nan"), "x", [1]],
        "model.args.dilations": [[0], [2000], "x"],
        "model.args.foo": [1, deep, wide],
        "classes": [None, [], ["a"], [1, 2, 3, 4, 5, 6], [["a"]] * 6, ["a"] * 6, deep, wide],
        "format": [-5, 0, 99, True, "1", None, 1.5],
        "version": [None, 5, "[/x]", "a\x1b[31m"],
        "licences": ["MIT", [1], [""], {"MIT": 1}],
        "vocabulary": [None, {}, {"specials": [], "words": [1]}, {"specials": ["<pad>"], "words": ["a"]}],
    }
    changes: dict[str, Callable[[Checkpoint], Any]] = {}
    for place, those in values.items():
        for number, value in enumerate(those):
            changes[f"{place}-{number}"] = lambda c, place=place, value=value: put(c["lstmzoo"], place, value)
    lacking = ["config.model", "config.task", "config.trainer", "config.seed", "config.data.name", "config.data.root"]
    lacking += ["config.data.size", "config.data.frame_interval", "config.model.name", "config.task.name"]
    lacking += ["transform.size", "transform.clip_len", "transform.grey", "transform.frame_interval"]
    for place in [*(place for place in lacking if there(base["lstmzoo"], place)), *base["lstmzoo"]]:
        changes[f"without {place}"] = lambda c, place=place: put(c["lstmzoo"], place, None, remove=True)
    for number, text in enumerate(TEXTS):
        changes[f"class-{number}"] = lambda c, text=text: put(c["lstmzoo"], "classes", [text, *"abcde"])
    changes["clips of 10 GB"] = lambda c: c["lstmzoo"]["transform"].update(size=[4096, 4096], clip_len=16)
    changes["cycle"] = lambda c: put(c["lstmzoo"], "config.task.cycle", c["lstmzoo"]["config"])
    return changes


TEXTS = [
    "[/x]",
    "[red]a",
    "a\x1b[31m",
    "a\x1b]0;title\x07",
    "",
    "a\nb",
    "$\\frac$",
    "../../x",
    "a\0b",
    "\u202eab",
    "a" * 5000,
]
TEXTS += ["{x}", "%s%n", "\ud800", 5, "=cmd()", "\U0001f600" * 300]


def put(tree: Any, place: str, value: Any, remove: bool = False) -> None:
    """Set or remove the value at ``a.b.c``."""
    *way, last = place.split(".")
    for key in way:
        tree = tree.setdefault(key, {})
    if remove:
        del tree[last]
    else:
        tree[last] = value


def there(tree: Any, place: str) -> bool:
    """Whether there is a value at ``a.b.c``."""
    for key in place.split("."):
        if not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return True


def weights(base: Checkpoint) -> dict[str, Callable[[Checkpoint], Any]]:
    """The weights are of another kind, shape or number."""

    names = [key for key, weight in base["state_dict"].items() if weight.ndim > 1]

    def each(of: Callable[[torch.Tensor], Any]) -> Callable[[Checkpoint], Any]:
        def change(c: Checkpoint) -> None:
            c["state_dict"] = {key: of(value) for key, value in c["state_dict"].items()}

        return change

    def one(of: Callable[[torch.Tensor], Any], key: str = names[-1]) -> Callable[[Checkpoint], Any]:
        return lambda c: c["state_dict"].update({key: of(c["state_dict"][key])})

    def one_less(c: Checkpoint) -> None:
        del c["state_dict"][names[-1]]

    def variances(c: Checkpoint) -> None:
        c["state_dict"].update(
            {key: weight - 5 for key, weight in c["state_dict"].items() if key.endswith("running_var")}
            or {"model.running_var": torch.tensor([-1.0])}
        )

    return {
        "complex": each(lambda w: w.to(torch.complex64)),
        "integers": each(lambda w: w.to(torch.int32)),
        "booleans": each(lambda w: w.bool()),
        "float8": one(lambda w: w.to(torch.float8_e4m3fn)),
        "nan": one(lambda w: w * float("nan")),
        "infinity": one(lambda w: w + float("inf"), names[0]),
        "negative variances": variances,
        "all nan": each(lambda w: w * float("nan") if w.is_floating_point() else w),
        "sparse": one(lambda w: w.to_sparse()),
        "meta": one(lambda w: w.to("meta")),
        "expanded": one(lambda w: w[:1, :1].expand(w.shape)),
        "endless": one(lambda w: w.flatten()[:1].expand(10**12)),
        "quantised": one(lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8)),
        "transposed": one(lambda w: w.transpose(0, 1)),
        "a number": one(lambda w: 5),
        "a list": one(lambda w: w.tolist()),
        "no weights": lambda c: c["state_dict"].clear(),
        "one more": lambda c: c["state_dict"].update({"model.foo": torch.zeros(1)}),
        "one less": one_less,
        "number as name": lambda c: c["state_dict"].update({5: torch.zeros(1)}),
        "many": lambda c: c["state_dict"].update({f"x{i}": torch.zeros(1)[:0] for i in range(2000)}),
        "many views": lambda c: c["state_dict"].update(dict.fromkeys((f"x{i}" for i in range(3000)), torch.ones(9999))),
    }


def whole() -> dict[str, Callable[[Checkpoint], Any]]:
    """The checkpoint is something else altogether."""
    return {
        "a list instead": lambda c: [1, 2],
        "a tensor instead": lambda c: torch.zeros(3),
        "nothing instead": lambda c: {},
        "metadata a list": lambda c: c.update(lstmzoo=[]),
        "metadata a text": lambda c: c.update(lstmzoo="[/x]"),
        "weights a list": lambda c: c.update(state_dict=[]),
        "no metadata": lambda c: {"state_dict": c["state_dict"]},
        "keys of escape codes": lambda c: {"a\x1b[31m[/x]": 1},
        "keys of tuples": lambda c: {(1, (2, 3)): 1},
        "a module": lambda c: nn.Linear(2, 2),
        "system": lambda c: Reduced(os.system, "touch OUTSIDE"),
        "popen": lambda c: Reduced(subprocess.Popen, ["touch", "OUTSIDE"]),
        "eval": lambda c: Reduced(eval, "open('OUTSIDE', 'w')"),
        "partial": lambda c: Reduced(__import__, STRANGER),
        "system beside": lambda c: c.update(more=Reduced(os.system, "touch OUTSIDE")),
    }


class Reduced:
    """What calls a function when it is unpickled."""

    def __init__(self, function: Any, argument: Any) -> None:
        self.call = function, (argument,)

    def __reduce__(self) -> Any:
        return self.call


NUMBERS = {
    "8 GB": b"cbuiltins\nbytearray\n\x8a\x05\x00\x00\x00\x00\x02\x85R",
    "a counter": b"ccollections\nCounter\n)R",
    "a tensor of 40 GB": b"ctorch\nTensor\n\x8a\x05\x00\xe4\x0b\x54\x02\x85R",
    "a storage of 40 GB": b"ctorch\nFloatStorage\n\x8a\x05\x00\xe4\x0b\x54\x02\x85R",
    "a new storage": b"ctorch\nFloatStorage\n\x8a\x05\x00\xe4\x0b\x54\x02\x85\x81",
    "a storage from the memo": b"ctorch\nFloatStorage\nq\x000h\x00\x8a\x05\x00\xe4\x0b\x54\x02\x85R",
    "a codec": b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8\x86R",
    "a name from the stack": b"X\x08\x00\x00\x00builtinsX\x04\x00\x00\x00eval\x93",
}
"""Pickles of a few bytes that torch would load, and make gigabytes of a number, or that it should never see."""


def files(good: bytes) -> Iterator[tuple[str, bytes]]:
    """The file is damaged, of another kind, or packed so that it holds more than it seems to."""
    middle = bytearray(good)
    middle[len(good) // 2] ^= 0xFF
    yield from {"empty": b"", "text": b"hello world\n" * 50, "picture": b"\x89PNG\r\n\x1a\n" * 50}.items()
    yield from {"half": good[: len(good) // 2], "short": good[:-10], "flipped": bytes(middle)}.items()
    yield "garbage before", b"x" * 1000 + good
    yield "garbage behind", good + b"x" * 1000
    yield "a pickle", pickle.dumps({"a": Reduced(os.system, "touch OUTSIDE")})
    yield "a pickle of protocol 0", pickle.dumps(Reduced(os.system, "touch OUTSIDE"), protocol=0)
    yield "a pickle of numbers", pickle.dumps({"a": 1})
    yield "legacy", _legacy({"a": 1})
    yield "legacy with code", _legacy({"a": Reduced(os.system, "touch OUTSIDE")})
    yield "TorchScript", _script()
    yield "deflated", packed(good, compression=zipfile.ZIP_DEFLATED)
    yield "bomb", packed(good, {"data/0": bytes(2**25)}, compression=zipfile.ZIP_DEFLATED)
    yield "no pickle", packed(good, {"data.pkl": None})
    yield "broken pickle", packed(good, {"data.pkl": b"\x80\x02}q\x00."[:-1]})
    yield "tuples in tuples", packed(good, {"data.pkl": b"\x80\x02})q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"K\x01s."})
    yield "lists in lists", packed(good, {"data.pkl": b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b"."})
    yield "endless number", packed(good, {"data.pkl": b"\x80\x02\x8a\xff" + b"\x7f" * 255 + b"."})
    yield "a storage larger than its file", packed(good, {"data/0": b"1234"})
    for name, code in NUMBERS.items():
        yield name, packed(good, {"data.pkl": b"\x80\x02" + code + b"."})
    yield "many files", packed(good, {f"data/x{i}": b"" for i in range(5000)})


def packed(good: bytes, others: dict[str, bytes | None] | None = None, compression: int = zipfile.ZIP_STORED) -> bytes:
    """The archive with some files changed, taken away (None) or added, packed in another way."""
    others, file = dict(others or {}), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(file, "w", compression) as new:
        top = old.namelist()[0].partition("/")[0]
        for name in old.namelist():
            content = others.pop(name.partition("/")[2], old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in others.items():
            new.writestr(f"{top}/{name}", content or b"")
    return file.getvalue()


def _legacy(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def _script() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), file)
    return file.getvalue()
