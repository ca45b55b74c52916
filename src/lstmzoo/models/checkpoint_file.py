"""Reading the file of a checkpoint, whoever wrote it: no code is run, no more is read than the file holds.

``torch.load`` unpickles tensors and plain values only (``weights_only``), but trusts sizes, checks no checksums and
unpacks what is compressed; so the archive is looked through first, and tensors are mapped from the file, not copied.
"""

import io
import os
import pickletools
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lstmzoo.errors import CheckpointError, LstmzooError
from lstmzoo.models.pretrained.names import CONFIG, TENSORS, shipped, unknown_weights, weights_file

MOST_MEMBERS = 100_000
"""Files in the archive; there is one per tensor."""

MOST_VALUES = 5_000_000
"""Values in the tuples of a pickle, counted as often as they are reached: keys made of tuples are gone through so."""

CALLED = ("collections OrderedDict", "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter")
"""What torch calls to make dense tensors and dictionaries of them."""

NAMED = re.compile(rf"{'|'.join(map(re.escape, CALLED))}|torch \w+Storage|torch\.storage \w+Storage")
"""What may be named in a pickle; of what torch would take beyond, some makes gigabytes of a number."""

WEIGHT_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

OF_A_RUN = "its training diverged. Use an earlier checkpoint, or train with a smaller task.lr"
"""What to do about weights that are not finite, for whoever trained them."""

CALLING = ("REDUCE", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4")
"""Operations of pickles that call or find something; those that torch does not write have no name to be called by."""


class Value(NamedTuple):
    """What is known of a value on a pickle's stack: how many values its tuples hold, and its name if it has one."""

    held: int
    name: str


class Refused(Exception):
    """A pickle names or calls what no checkpoint needs."""


def find(path: Path) -> Path:
    """The file that a path means: itself, the best one of a run folder, or `weights_file` of a folder or a name.

    Raises:
        CheckpointError: there is none; the message says what there is.
    """
    if path.is_file():
        return weights_file(path.parent) if path.name == CONFIG else path
    if any((path / name).is_file() for name in (CONFIG, TENSORS)):
        return weights_file(path)
    best = path / "checkpoints" / "best.ckpt"
    if best.is_file():
        return best
    if path.is_dir():
        others = sorted(str(file.relative_to(path)) for file in path.rglob("*.ckpt"))
        there = f"checkpoints there: {', '.join(others)}" if others else "there is no .ckpt file in it"
        raise CheckpointError(f"the folder {path} has no checkpoints/best.ckpt; {there}")
    if str(path) in shipped():
        return weights_file(shipped()[str(path)])
    if path.name == str(path) and not path.suffix:
        raise CheckpointError(unknown_weights(str(path)))
    raise CheckpointError(f"no checkpoint at {path} (looked in {path.absolute().parent})")


def read(file: Path) -> Any:
    """What ``torch.load`` makes of a file; its tensors are views of the file.

    Raises:
        CheckpointError: it is damaged, compressed, a program, or holds anything but tensors and plain values.
    """
    damaged = (
        f"cannot read {file}: it is damaged, incomplete or not a checkpoint; copy it again, or use another one of its "
        "run, e.g. checkpoints/last.ckpt"
    )
    pickled = b""
    try:
        if not zipfile.is_zipfile(file):
            with open(file, "rb") as stream:
                pickled = stream.read(1 << 20)
            raise ValueError("no archive of torch's")
        pickled = _look_through(file, damaged)
        return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    except LstmzooError:
        raise
    except PermissionError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}") from error
    except Refused as error:
        raise _strange(file, ".".join(str(error).split())) from error
    except Exception as error:  # on bytes that are not a checkpoint, unpickling fails in any way it likes
        if (strange := _first_object(pickled)) is not None:
            raise _strange(file, strange) from error
        raise CheckpointError(f"{damaged} ({type(error).__name__})") from error


def _strange(file: Path, what: str) -> CheckpointError:
    return CheckpointError(
        f"{file} is not an lstmzoo checkpoint: it holds pickled Python objects, which are not loaded: {what[:200]}"
    )


def check_weights(weights: dict[Any, Any], file: Path, remedy: str = OF_A_RUN) -> None:
    """Check that weights are numbers that the file holds: dense, real, finite.

    Args:
        weights: as they were read.
        file: that they were read from.
        remedy: what to do where they are not finite.

    Raises:
        CheckpointError: they are not; the message names the first that is not.
    """
    room = 4 * os.path.getsize(file)  # tied weights are listed more than once
    for name, weight in weights.items():
        if not isinstance(name, str) or not isinstance(weight, Tensor) or weight.layout != torch.strided:
            raise CheckpointError(f"{file}: the entry {str(name)[:80]!r} of its 'state_dict' is not a dense tensor")
        room -= weight.numel() * weight.element_size()
        if weight.device.type != "cpu" or room < 0:
            raise CheckpointError(f"{file}: the weight {name[:80]!r} is larger than the file")
    negative = [name for name, weight in weights.items() if name.endswith(".running_var") and _negative(weight)]
    if negative:
        raise CheckpointError(f"{file} holds negative variances in {negative[0][:80]}; it is damaged")
    broken = [name for name, weight in weights.items() if not _finite(weight)]
    if broken:
        raise CheckpointError(
            f"{file} holds weights that are not finite (nan or infinity) in {len(broken)} of {len(weights)} tensors, "
            f"e.g. {broken[0][:80]}: {remedy}"
        )


def _finite(weight: Tensor) -> bool:
    return weight.dtype not in WEIGHT_TYPES or bool(torch.isfinite(weight).all())


def _negative(weight: Tensor) -> bool:
    return weight.dtype in WEIGHT_TYPES and bool((weight < 0).any())


def _look_through(file: Path, damaged: str) -> bytes:
    """Check an archive's sizes and checksums, which ``torch.load`` trusts; return the pickle in it."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.filename.endswith("/constants.pkl") for member in members):
            raise CheckpointError(
                f"{file} is not an lstmzoo checkpoint: it holds a TorchScript program, which is not loaded"
            )
        unpacked = sum(member.file_size for member in members)
        if any(member.compress_type != zipfile.ZIP_STORED for member in members) or unpacked > os.path.getsize(file):
            raise CheckpointError(
                f"{file} is not a checkpoint as torch writes them: it is a compressed archive, which would unpack to "
                f"{unpacked:,} bytes"
            )
        if len(members) > MOST_MEMBERS:
            raise CheckpointError(f"{file} is not an lstmzoo checkpoint: it is an archive of {len(members):,} files")
        broken = archive.testzip()
        if broken is not None:
            raise CheckpointError(f"{damaged} (wrong checksum of {broken})")
        pickled = b"".join(archive.read(member) for member in members if member.filename.endswith("/data.pkl"))
    _check_pickle(pickled)
    return pickled


def _check_pickle(pickled: bytes) -> None:
    """Refuse a pickle that names or calls more than tensors need, or whose tuples hold each other without an end.

    To hash such a tuple, of a few bytes, would never end.

    Raises:
        Refused: it names or calls something else.
        ValueError: tuples in tuples.
    """
    stack: list[Value | None] = []  # None: a mark
    memo: dict[Any, Value | None] = {}
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            memo[len(memo) if opcode.name == "MEMOIZE" else argument] = stack[-1]
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[argument])
        elif opcode.name == "MARK":
            stack.append(None)
        else:
            taken = _take(stack, opcode)
            name = str(argument) if opcode.name == "GLOBAL" else ""
            if name and not NAMED.fullmatch(name):
                raise Refused(name)
            if opcode.name in CALLING and not (taken and taken[-1].name in CALLED):
                raise Refused(taken[-1].name if taken and taken[-1].name else opcode.name)
            held = 1 + sum(one.held for one in taken) if "TUPLE" in opcode.name else 0
            if held > MOST_VALUES:
                raise ValueError("tuples in tuples")
            stack += [Value(held, name)] * len(opcode.stack_after)


def _take(stack: list[Value | None], opcode: pickletools.OpcodeInfo) -> list[Value]:
    """Take what an operation consumes off the stack."""
    before, taken = list(opcode.stack_before), []
    if pickletools.markobject in before:
        while (one := stack.pop()) is not None:
            taken.append(one)
        before = before[: before.index(pickletools.markobject)]
    return taken + [one for one in (stack.pop() for _ in before) if one is not None]


def _first_object(pickled: bytes) -> str | None:
    """The first thing in a pickle that is neither a tensor nor a plain value, e.g. ``posix.system``, if any."""
    texts: list[str] = []
    if not pickled.startswith((b"\x80", b"c", b"(")):
        return None
    stream = io.BytesIO(pickled)
    with suppress(Exception):  # it ends where the pickle ends
        for opcode, argument, _ in (operation for _ in range(9) for operation in pickletools.genops(stream)):
            if isinstance(argument, str):
                texts.append(argument)
            named = " ".join(texts[-2:] if opcode.name == "STACK_GLOBAL" else texts[-1:])
            module, _, name = named.partition(" ")
            known = module.partition(".")[0] in ("torch", "collections")
            if opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST") and not known and f"{module}{name}".isprintable():
                return f"{module}.{name}"
    return None
