"""``lstmzoo export``: a trained model in a form that others can use."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lstmzoo.config.options import described_options, parse_options
from lstmzoo.errors import LstmzooError
from lstmzoo.io.terminal import print_plain
from lstmzoo.settings import settings_of

USAGE = """\
usage: lstmzoo export ckpt_path=RUN|NAME output=FOLDER [option=value ...]

safetensors: writes a model as a folder of model.safetensors, config.json and a card, README.md, with classes or
vocabulary, transform, and the scores that training and `lstmzoo eval` left in the run. Nothing is measured.
`lstmzoo.load`, `lstmzoo.from_pretrained` and every command with ckpt_path=FOLDER read it.

onnx, pt2: writes what runs without this package (docs/deploy.md): clip.onnx, for whole clips; with step=true
start.onnx and step.onnx, for a stream; of a captioner encoder.onnx and step.onnx. Each is compared with PyTorch on
random inputs of two sizes; where they differ, nothing is written.

{options}

Examples
  lstmzoo export ckpt_path=runs/kth_lstm/<date> output=kth_lstm float16=true
  lstmzoo export ckpt_path=kth_sim_lstm output=kth_onnx format=onnx step=true
"""


WEIGHTS_ONLY, NETWORKS_ONLY = {"float16", "licence", "failures"}, {"step", "size", "tolerance"}
"""Options that do not go with every format."""


@dataclass(frozen=True)
class ExportOptions:
    """The options of ``lstmzoo export``.

    Args:
        ckpt_path: a checkpoint, a run folder, or a name of ``lstmzoo list weights``.
        output: the folder, which may hold earlier files of the same kind; its name is that of the weights.
        format: safetensors, for this package; onnx, or pt2 (torch.export), for others.
        step: onnx, pt2: a stream, frame by frame, in place of the whole clip.
        size: onnx, pt2: [height,width] of frames; null: what the model was trained for.
        tolerance: onnx, pt2: largest difference from PyTorch, as a share of an output's largest number above 1.
        float16: safetensors: round matrices and kernels to float16, half the size; they are float32 again when loaded.
        licence: safetensors: of data whose licence is not stated; those that are stated hold as well.
        failures: safetensors: a Markdown file about what goes wrong, for the card; null keeps the text of the weights
            in output.
    """

    ckpt_path: Path
    output: Path
    format: Literal["safetensors", "onnx", "pt2"] = "safetensors"
    step: bool = False
    size: list[int] | None = None
    tolerance: float = 1e-3
    float16: bool = False
    licence: str | None = None
    failures: Path | None = None


def run(argv: Sequence[str]) -> None:
    """Run the command."""
    settings = settings_of(ExportOptions)
    if not argv or {"-h", "--help"} & {*argv}:
        print(USAGE.format(options=described_options(settings)), end="")
        return
    given = parse_options(argv, settings, "lstmzoo export")
    options = ExportOptions(**given)
    own = WEIGHTS_ONLY if options.format == "safetensors" else NETWORKS_ONLY
    if other := sorted({*given} & ((WEIGHTS_ONLY | NETWORKS_ONLY) - own)):
        raise LstmzooError(f"{', '.join(other)}: not for format={options.format}, which takes {', '.join(sorted(own))}")
    place, output = options.ckpt_path.expanduser(), options.output.expanduser()
    if options.format == "safetensors":
        _write_weights(place, output, options)
    else:
        _write_networks(place, output, options)


def _write_weights(place: Path, output: Path, options: ExportOptions) -> None:
    from lstmzoo.runs.export import export_weights

    export_weights(place, output, float16=options.float16, licence=options.licence, failures=options.failures)
    files = sorted(output.iterdir())
    size = sum(file.stat().st_size for file in files) / 1e6
    print_plain(f"Written to {output}: {', '.join(file.name for file in files)} ({size:.1f} MB)")


def _write_networks(place: Path, output: Path, options: ExportOptions) -> None:
    from lstmzoo.runs.deploy import deploy

    for file in deploy(
        place, output, options.format, step=options.step, size=options.size, tolerance=options.tolerance
    ):
        print_plain(
            f"{output / file.name}: {file.size / 1e6:.1f} MB; free: {', '.join(file.free)}; largest difference from "
            f"PyTorch {file.difference:.1e}, where numbers reach {file.largest:.1f}"
        )
        sizes, (ours, theirs) = ", ".join(f"{axis}={file.sizes[axis]}" for axis in file.free), file.seconds
        print_plain(f"  {theirs * 1000:.1f} ms, in PyTorch {ours * 1000:.1f} ms ({sizes})")
        for why, axes in file.fixed.items():
            print_plain(f"  {', '.join(axes)}: {why}")
