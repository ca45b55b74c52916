"""``lstmzoo eval``: measure a checkpoint; nothing else than the checkpoint and the data is needed."""

from __future__ import annotations

from pathlib import Path

from lstmzoo.cli.usage import eval_usage
from lstmzoo.errors import CheckpointError, LstmzooError, unknown_choice

SPLITS = ("train", "val", "test")
OWN_KEYS = ("ckpt_path", "split", "output")


def run(argv: list[str]) -> None:
    """Evaluate as the arguments say."""
    if not argv or any(argument in ("-h", "--help") for argument in argv):
        print(eval_usage(), end="")
        return
    from omegaconf import OmegaConf

    from lstmzoo.cli.compose import compose, override_stored, parse
    from lstmzoo.models import read_contract

    overrides = parse(argv)
    own = [str(o.input_line) for o in overrides if o.key_or_group in OWN_KEYS]
    others = [str(o.input_line) for o in overrides if o.key_or_group not in OWN_KEYS]
    options = compose("eval", own)
    if options.split not in SPLITS:
        raise LstmzooError(unknown_choice("split", options.split, SPLITS))
    path = Path(str(options.ckpt_path)).expanduser()
    contract = read_contract(path)
    stored = OmegaConf.create(contract["config"])
    if not contract["config"].get("data"):
        raise CheckpointError(f"{path} holds no data settings; it was not written by lstmzoo train")
    config = override_stored(stored, others, origin=f"the checkpoint {path}")
    output = Path(str(options.output)) if options.output else _run_folder(path) / f"eval_{options.split}"
    from lstmzoo.cli.evaluation import evaluate

    evaluate(config, contract, path, options.split, output)


def _run_folder(path: Path) -> Path:
    """The run that a checkpoint belongs to; for a file of its own, the folder it lies in."""
    if path.is_dir():
        return path
    return path.parent.parent if path.parent.name == "checkpoints" else path.parent
