"""A model as ONNX or torch.export's pt2: written, run, and compared with PyTorch before it is there."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from lstmzoo.errors import LstmzooError
from lstmzoo.io.atomic import replacing_folder
from lstmzoo.models.checkpoint import load
from lstmzoo.models.deployment import Deployment, Flat, Network, cell_names, flattened
from lstmzoo.models.pretrained.card import joined, licences_of
from lstmzoo.models.pretrained.weights_folder import check_single
from lstmzoo.version import __version__

About = dict[str, str]
"""Metadata: JSON by name."""

LEAST_SIDE = 32
"""Pixels, the least that every encoder takes."""

Run = Callable[[Mapping[str, Tensor]], Sequence[Tensor]]
"""A file that was read again, as a function of tensors by name."""


class Signature(NamedTuple):
    """What goes in and comes out, by name: type and shape."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    axes: dict[str, str]  # torch's symbols for sizes, and what they are called


@dataclass(frozen=True)
class Written:
    """A file, and how it was compared."""

    name: str
    size: int  # bytes
    free: list[str]  # axes of any size
    fixed: dict[str, list[str]]  # why axes have one size: those axes
    difference: float  # from PyTorch, the largest
    largest: float  # number that PyTorch gave
    sizes: dict[str, int]  # of the inputs that were timed
    seconds: tuple[float, float]  # a call in PyTorch, and of the file


def deploy(
    place: Path,
    output: Path,
    form: str,
    *,
    step: bool = False,
    size: Sequence[int] | None = None,
    tolerance: float = 1e-3,
) -> list[Written]:
    """Write the networks of a model.

    Args:
        place: a checkpoint, a run folder, a folder of weights or a name.
        output: the folder; files of an earlier call are replaced, anything else in it is in the way.
        form: onnx or pt2.
        step: a stream, step by step, in place of the whole clip.
        size: [height, width] of frames in place of what the model was trained for.
        tolerance: largest difference from PyTorch, as a share of the largest number of an output where that is above 1.

    Raises:
        LstmzooError: the model cannot be read or written like this, or the difference is larger; nothing is written.
    """
    check_single(place, f"format={form}")
    model: Any = load(place).requires_grad_(False)
    if form == "onnx":
        _check_onnx()
    if not hasattr(model, "deployment"):
        raise LstmzooError(
            f"{model.model_name} does not say which networks stand for it: give it a method deployment(step), see "
            "lstmzoo.models.deployment"
        )
    deployment: Deployment = model.deployment(step)
    if size is not None:
        model.transform = {**model.transform, "size": _checked(size, model, deployment)}
    names = [f"{network.name}.{form}" for network in deployment.networks]
    strange = sorted({file.name for file in output.iterdir()} - {*names}) if output.is_dir() else []
    if strange:
        raise LstmzooError(f"{output} holds {', '.join(strange[:5])}; choose an empty folder, or one with {names} only")
    torch.manual_seed(0)
    with replacing_folder(output) as unfinished, torch.no_grad(), quiet():
        return [_written(model, network, deployment, unfinished, form, tolerance) for network in deployment.networks]


def _checked(size: Sequence[int], model: Any, deployment: Deployment) -> list[int]:
    """A size that was asked for."""
    if not any("height" in port.axes for network in deployment.networks for port in network.inputs):
        raise LstmzooError(f"size={[*size]}: {model.model_name} has no frames whose size could be chosen; leave it out")
    if len(size) != 2 or min(size) < LEAST_SIDE:
        raise LstmzooError(f"size={[*size]}: it is [height,width], each {LEAST_SIDE} or more, e.g. [240,427]")
    return [*size]


def _check_onnx() -> None:
    try:
        for name in ("onnx", "onnxscript", "onnxruntime"):
            import_module(name)
    except ImportError as error:
        raise LstmzooError(
            f"format=onnx needs {error.name}, which is not installed: pip install 'lstmzoo[onnx]', or choose format=pt2"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what the exporters say about themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _written(
    model: Any, network: Network, deployment: Deployment, folder: Path, form: str, tolerance: float
) -> Written:
    sizes = _sizes(model, network, deployment)
    examples = [network.example(one) for one in sizes]
    flat = Flat(model, network, examples[0][1], cell_names(model, network.before or network, sizes[0])).eval()
    inputs = [[*own, *flattened(carried).values()] for own, carried in examples]
    file = folder / f"{network.name}.{form}"
    try:
        program = torch.export.export(flat, tuple(inputs[0]), dynamic_shapes=(_free(*inputs),))
        signature = _signature(program, network, flat.names, [*flat(*inputs[0])])
        run = WRITE[form](program, file, _about(model, deployment, signature), signature)
        named = [dict(zip(flat.names, given, strict=True)) for given in inputs]
        found = [run(given) for given in named]
    except Exception as error:  # of torch, onnx or onnxruntime: an operation that they don't know
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise LstmzooError(f"{file.name}: {model.model_name} cannot be written as {form}: {reason[0][:300]}") from error
    difference, largest = _compare(file.name, [flat(*given) for given in inputs], found, tolerance)
    used = [axis for axis in sizes[0] if any(axis in port.axes for port in network.inputs)]
    fixed: dict[str, list[str]] = {}
    for axis in used:
        if axis in network.fixed:
            fixed.setdefault(network.fixed[axis], []).append(f"{axis}={sizes[0][axis]}")
    free = [axis for axis in used if axis not in network.fixed]
    seconds = _fastest(lambda: flat(*inputs[0])), _fastest(lambda: run(named[0]))
    return Written(file.name, file.stat().st_size, free, fixed, difference, largest, sizes[0], seconds)


def _fastest(function: Callable[[], Any], times: int = 3) -> float:
    """Seconds that it takes at best."""
    taken = []
    for _ in range(times):
        start = perf_counter()
        function()
        taken.append(perf_counter() - start)
    return min(taken)


def _compare(
    name: str, expected: Sequence[dict[str, Tensor]], found: Sequence[Sequence[Tensor]], tolerance: float
) -> tuple[float, float]:
    """The largest difference, and the largest number; `LstmzooError` where they differ too much."""
    difference = largest = 0.0
    for ours, theirs in zip(expected, found, strict=True):
        for (output, one), other in zip(ours.items(), theirs, strict=True):
            if one.shape != other.shape:
                raise LstmzooError(f"{name}: {output} is {tuple(other.shape)}, in PyTorch {tuple(one.shape)}")
            one, other = one.double(), other.double()
            apart = float(torch.where(one == other, 0, (one - other).abs()).max())  # infinities are the same, too
            most = float(one.abs().max())
            if not apart <= tolerance * max(1.0, most):
                raise LstmzooError(
                    f"{name}: {output} differs from PyTorch by {apart:.3g}, where its numbers reach {most:.3g}; "
                    f"nothing was written (tolerance={tolerance:g})"
                )
            difference, largest = max(difference, apart), max(largest, most)
    return difference, largest


def _sizes(model: Any, network: Network, deployment: Deployment) -> list[dict[str, int]]:
    """Two sizes of every axis, or one where it is fixed."""
    transform, fixed = model.transform, network.fixed
    height, width = transform.get("size", (0, 0))
    time = max(3, deployment.least_time)
    if "time" in fixed:
        time = max(time, transform.get("clip_len") or model.metadata["data"].get("clip_len") or 8)
    first = {"batch": 2, "time": time, "objects": 3, "height": height, "width": width}
    return [first, {axis: size + (axis not in fixed) * (1 + (axis == "time")) for axis, size in first.items()}]


def _free(first: Sequence[Tensor], second: Sequence[Tensor]) -> tuple[dict[int, Any], ...]:
    """The axes in which tensors differ."""
    pairs = zip(first, second, strict=True)
    return tuple({i: Dim.DYNAMIC for i in range(a.dim()) if a.shape[i] != b.shape[i]} for a, b in pairs)


def _signature(program: ExportedProgram, network: Network, inputs: list[str], outputs: list[str]) -> Signature:
    """What goes in and comes out; axes have the names of the network's inputs where they are of the same size."""
    nodes = {node.name: node for node in program.graph.nodes}
    given, returned = (
        [nodes[name].meta["val"] for name in names]
        for names in (program.graph_signature.user_inputs, program.graph_signature.user_outputs)
    )
    axes = {
        str(size): axis
        for value, port in zip(given, network.inputs, strict=False)
        for size, axis in zip(value.shape, port.axes, strict=True)
        if isinstance(axis, str) and not isinstance(size, int)
    }

    def described(names: list[str], values: list[Any]) -> dict[str, Any]:
        return {
            name: {
                "type": str(value.dtype).removeprefix("torch."),
                "shape": [size if isinstance(size, int) else axes.get(str(size), str(size)) for size in value.shape],
            }
            for name, value in zip(names, values, strict=True)
        }

    return Signature(described(inputs, given), described(outputs, returned), axes)


def _about(model: Any, deployment: Deployment, signature: Signature) -> About:
    """Everything that has to be known to use it."""
    metadata = model.metadata
    about = {
        "lstmzoo": __version__,
        "model": metadata["model"],
        "classes": model.classes,
        "vocabulary": getattr(model, "words", []),
        "transform": {**model.transform, **deployment.transform},
        "decoding": metadata["config"].get("task", {}).get("decoding", {}),
        "licence": joined(licences_of(metadata)),
        "inputs": signature.inputs,
        "outputs": signature.outputs,
    }
    return {key: json.dumps(value) for key, value in about.items()}


def _write_pt2(program: ExportedProgram, file: Path, about: About, signature: Signature) -> Run:
    torch.export.save(program, file, extra_files=about)
    module = torch.export.load(file).module()
    return lambda given: [*module(*given.values()).values()]


def _write_onnx(program: ExportedProgram, file: Path, about: About, signature: Signature) -> Run:
    import onnxruntime

    inputs, outputs = [*signature.inputs], [*signature.outputs]
    converted = torch.onnx.export(
        program, (), dynamo=True, verbose=False, input_names=inputs, output_names=outputs, optimize=True
    )
    assert converted is not None
    graph = converted.model.graph
    for value in (*graph.inputs, *graph.outputs, *(one for node in graph.all_nodes() for one in node.outputs)):
        shape: Any = value.shape
        for place, size in enumerate(shape or ()):
            if str(size) in signature.axes:
                shape[place] = signature.axes[str(size)]
    converted.model.metadata_props.update(about)
    converted.save(file)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda given: [
        torch.from_numpy(one) for one in session.run(outputs, {name: one.numpy() for name, one in given.items()})
    ]


WRITE: dict[str, Callable[[ExportedProgram, Path, About, Signature], Run]] = {"onnx": _write_onnx, "pt2": _write_pt2}
"""By format: write a program, and read it again."""
