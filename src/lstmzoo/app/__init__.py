"""``lstmzoo app``: a local page to try models on files of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lstmzoo.config.options import described_options, parse_options
from lstmzoo.errors import LstmzooError
from lstmzoo.settings import settings_of

USAGE = """\
usage: lstmzoo app [option=value ...]

Serves a page for the browser: photographs are described, and a click on a word shows where the model looked and
what its gates did; actions in videos are recognised, with gates held if you like; what you paint over the first frame
of a video is followed. Needs pip install 'lstmzoo[app]', and no network. Ctrl-C ends it.

{options}

Examples
  lstmzoo app
  lstmzoo app ckpt_path=runs/flickr8k/<date> port=8000
"""

WEIGHTS = {
    "captioning": "flickr8k_soft_attention",
    "recognition": "kth_sim_lstm",
    "segmentation": "davis_guided",
}


@dataclass(frozen=True)
class AppOptions:
    """The options of ``lstmzoo app``.

    Args:
        ckpt_path: a checkpoint, a run folder or a name, in place of the package's weights for its task.
        host: 127.0.0.1 answers this computer only, 0.0.0.0 everybody who reaches it, without a password.
        port: of the server.
    """

    ckpt_path: Path | None = None
    host: str = "127.0.0.1"
    port: int = 7860


def run(argv: Sequence[str]) -> None:
    """Run the command."""
    settings = settings_of(AppOptions)
    if {"-h", "--help"} & {*argv}:
        print(USAGE.format(options=described_options(settings)), end="")
        return
    options = AppOptions(**parse_options(argv, settings, "lstmzoo app"))
    if not 1024 <= options.port <= 65535:
        raise LstmzooError(f"port must be 1024 to 65535, not {options.port}")
    if find_spec("gradio") is None:
        raise LstmzooError("lstmzoo app needs gradio, which is not installed: pip install 'lstmzoo[app]'")
    models = models_for(options.ckpt_path)
    from lstmzoo.app.server import serve

    serve(models, options.host, options.port)


def models_for(place: Path | None) -> dict[str, str]:
    """The model of every tab: the weights in the package, or, of its task, the one that was asked for.

    Raises:
        CheckpointError: it cannot be read.
        LstmzooError: its task has no tab, or it cannot be guided by a mask.
    """
    if place is None:
        return WEIGHTS
    from lstmzoo.models.checkpoint import read_metadata
    from lstmzoo.registry import models
    from lstmzoo.runs.stored import task_name

    metadata = read_metadata(place.expanduser())
    task = task_name(metadata, str(place))
    if task not in WEIGHTS:
        raise LstmzooError(f"ckpt_path={place} is of the task {task}; the page has {', '.join(WEIGHTS)}")
    name = metadata["model"]["name"]
    if task == "segmentation" and not getattr(models.get(name).target, "guided", False):
        raise LstmzooError(f"ckpt_path={place}: {name} is not guided by a mask; give one that is, e.g. {WEIGHTS[task]}")
    return WEIGHTS | {task: str(place.expanduser())}
