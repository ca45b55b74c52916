"""``lstmzoo export``: a trained model in a form that others can use."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lstmzoo.config.options import described_options, parse_options
from lstmzoo.io.terminal import print_plain
from lstmzoo.settings import settings_of

USAGE = """\
usage: lstmzoo export ckpt_path=RUN output=FOLDER [option=value ...]

Writes a model as a folder of model.safetensors, config.json and a card, README.md, with classes or vocabulary,
transform, and the scores that training and `lstmzoo eval` left in the run. Nothing is measured. `lstmzoo.load`,
`lstmzoo.from_pretrained` and every command with ckpt_path=FOLDER read it.

{options}

Example
  lstmzoo export ckpt_path=runs/kth_lstm/<date> output=kth_lstm float16=true
"""


@dataclass(frozen=True)
class ExportOptions:
    """The options of ``lstmzoo export``.

    Args:
        ckpt_path: a checkpoint or a run folder.
        output: the folder, which may hold earlier weights; its name is theirs.
        format: the form.
        float16: round matrices and kernels to float16, half the size; they are float32 again when loaded.
        licence: of the data, where the data set states none.
        failures: a Markdown file about what goes wrong, for the card; null keeps the text of the weights in output.
    """

    ckpt_path: Path
    output: Path
    format: Literal["safetensors"] = "safetensors"
    float16: bool = False
    licence: str | None = None
    failures: Path | None = None


def run(argv: Sequence[str]) -> None:
    """Run the command."""
    settings = settings_of(ExportOptions)
    if not argv or {"-h", "--help"} & {*argv}:
        print(USAGE.format(options=described_options(settings)), end="")
        return
    options = ExportOptions(**parse_options(argv, settings, "lstmzoo export"))
    from lstmzoo.runs.export import export_weights

    output = options.output.expanduser()
    export_weights(
        options.ckpt_path.expanduser(),
        output,
        float16=options.float16,
        licence=options.licence,
        failures=options.failures,
    )
    files = sorted(output.iterdir())
    size = sum(file.stat().st_size for file in files) / 1e6
    print_plain(f"Written to {output}: {', '.join(file.name for file in files)} ({size:.1f} MB)")
