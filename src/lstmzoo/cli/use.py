"""``lstmzoo eval``, ``predict`` and ``inspect``: open a checkpoint, find its task, let the task do it."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmzoo.config.options import parse_options
from lstmzoo.errors import LstmzooError, naming, unknown_choice
from lstmzoo.io.atomic import making_folder
from lstmzoo.io.progress import progress_bar
from lstmzoo.io.terminal import print_plain
from lstmzoo.models.checkpoint import read_metadata
from lstmzoo.models.pretrained.names import is_name
from lstmzoo.registry import datasets, tasks
from lstmzoo.settings import Setting, settings_of
from lstmzoo.training.predictor import Inspector, Predictor, SplitInspector
from lstmzoo.training.setting_groups import GROUPS


@dataclass(frozen=True)
class EvalOptions:
    """The options of ``lstmzoo eval``.

    Args:
        ckpt_path: a checkpoint, RUN/checkpoints/best.ckpt, a run folder, or a name of `lstmzoo list weights`.
        split: train, val, test, or all where the data set can be taken as a whole.
        output: folder of the results; null for RUN/eval_SPLIT.
    """

    ckpt_path: Path
    split: str = "test"
    output: Path | None = None


@dataclass(frozen=True)
class PredictOptions:
    """The options of ``lstmzoo predict`` for every task.

    Args:
        ckpt_path: a checkpoint, RUN/checkpoints/best.ckpt, a run folder, or a name of `lstmzoo list weights`.
        input: a file, or a folder that is searched with all its subfolders. Videos: also a folder of frames, a data set
            in the layout of DAVIS or CamVid (segmentation), or the index of a camera, 0 (recognition). Images: also a
            .txt file with a path per line.
        output: folder of the results.
        device: auto, cpu, cuda, cuda:1, mps, ...
    """

    ckpt_path: Path
    input: str
    output: Path = Path("predictions")
    device: str = "auto"


@dataclass(frozen=True)
class InspectOptions:
    """The options of ``lstmzoo inspect`` for every task.

    Args:
        ckpt_path: a checkpoint, RUN/checkpoints/best.ckpt, a run folder, or a name of `lstmzoo list weights`.
        input: a file or a folder.
        output: folder of the figures; null for RUN/inspect_INPUT.
        device: auto, cpu, cuda, cuda:1, mps, ...
    """

    ckpt_path: Path
    input: Path
    output: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class InspectSplitOptions(InspectOptions):
    """The options of ``lstmzoo inspect`` where a task can also look at a split.

    Args:
        input: a file or a folder; null to measure a split, as lstmzoo eval does, with the same keys.
        split: train, val or test.
    """

    input: Path | None = None  # type: ignore[assignment]
    split: str = "test"


def run_eval(argv: Sequence[str]) -> None:
    """Measure a checkpoint, or score the predictions of any method (``results=``)."""
    check_words("eval", argv)
    if any(word.startswith("results=") for word in argv):
        _score(argv)
        return
    settings = settings_of(EvalOptions)
    own, others = _divide(argv, settings)
    options = EvalOptions(**parse_options(own, settings, "lstmzoo eval"))
    from lstmzoo.runs.evaluate import evaluate
    from lstmzoo.runs.request import read_request

    request = read_request(options.ckpt_path, options.split, options.output, others)
    evaluate(request, request.folder(f"eval_{options.split}"))


def _score(argv: Sequence[str]) -> None:
    """Score predictions against the data set that ``data=`` names, by the rules of its task."""
    from lstmzoo.config.compose import check_complete, compose_unset, override_stored
    from lstmzoo.config.groups import with_places
    from lstmzoo.config.overrides import parse
    from lstmzoo.runs import build
    from lstmzoo.runs.request import check_effect

    argv = with_places(argv)
    names = [word.partition("=")[2] for word in argv if word.startswith("data=")]
    if not names:
        raise LstmzooError("results=...: name the data set, e.g. data=flickr8k data.root=FOLDER")
    task = datasets.get(names[-1]).task
    settings = settings_of(tasks.get(task).target.score, ("data",))
    own, others = _divide([word for word in argv if not word.startswith("data=")], settings)
    config = override_stored(compose_unset("train", [f"data={names[-1]}", f"task={task}"]), others, "results=...")
    check_effect(config, [override.key_or_group for override in parse(others)], ("data",))
    options = parse_options(own, settings, "lstmzoo eval")
    check_complete(config.data, "eval", *own, f"data={names[-1]}", prefix="data.")
    build.absolute_paths(config)
    with naming("data.root", config.data.get("root")):
        tasks.get(task).target.score(data=build.to_dict(config.data), **options)


def run_predict(argv: Sequence[str]) -> None:
    """Use a checkpoint on files."""
    check_words("predict", argv)
    kind: type[Predictor[Any, Any]] = _task_of(argv, "predict").predictor()
    common, own = settings_of(PredictOptions), settings_of(kind)
    given = parse_options(argv, common | own, "lstmzoo predict")
    options = PredictOptions(**{key: value for key, value in given.items() if key in common})
    predictor = kind(**{key: value for key, value in given.items() if key in own})
    output = options.output.expanduser()
    items = predictor.find(options.input, output)
    with making_folder(output):  # what is in the way shows before anything else is done
        from lstmzoo.runs.device import load_model

        predictor.use(load_model(options.ckpt_path, options.device))
        predict(predictor, items, output)


def predict(predictor: Predictor[Any, Any], items: Sequence[Any], output: Path) -> None:
    """Run over the inputs.

    Args:
        predictor: with its model.
        items: the inputs.
        output: folder of the results.

    Raises:
        DataError: a single input that cannot be read.
        KeyboardInterrupt: Ctrl-C or SIGTERM, once what was done until then is written.
        SystemExit: with code 1 if some of several inputs could not be read; the others are done.
    """
    outcomes: list[Any] = []
    failures: dict[str, str] = {}
    interrupt: KeyboardInterrupt | None = None
    several = len(items) > 1
    bar = progress_bar("predicting", len(items), predictor.noun) if several else nullcontext(lambda step: None)
    with bar as advance:
        try:
            for outcome in predictor.predict_all(items, output, failures):
                outcomes.append(outcome)
                if (interrupt := outcome.ended_by) is not None:
                    break
                advance(1)
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None and not outcomes:
        raise interrupt
    files = predictor.finish(outcomes, failures, output)
    names = f": {', '.join(files)}" if files else ""
    done_of = f"{len(outcomes)} of {len(items)} {predictor.noun} done. " if several else ""
    print_plain(f"{done_of}Written to {output}{names}" if outcomes else f"{done_of}Nothing was written")
    for message in failures.values():
        print_plain(f"lstmzoo: {message}", error=True)
    if interrupt is not None:
        if interrupt is outcomes[-1].ended_by:
            print_plain(f"lstmzoo: {outcomes[-1].name} ends here: it was stopped", error=True)
        raise interrupt
    if failures:
        sys.exit(1)


def run_inspect(argv: Sequence[str]) -> None:
    """Look inside a checkpoint, at its mistakes, its attention and its gates."""
    check_words("inspect", argv)
    kind: type[Inspector] = _task_of(argv, "inspect").inspector()
    common = settings_of(InspectSplitOptions if issubclass(kind, SplitInspector) else InspectOptions)
    settings = common | settings_of(kind)
    own, others = _divide(argv, settings)
    given = parse_options(own, settings, "lstmzoo inspect")
    inspector = kind(**{key: value for key, value in given.items() if key not in common})
    wanted: Path | None = given.get("input")
    if others and (wanted is not None or not issubclass(kind, SplitInspector)):
        parse_options(others, settings, "lstmzoo inspect")  # the configuration plays no part: they are mistakes
    from lstmzoo.runs.device import load_model
    from lstmzoo.runs.request import output_folder

    device = given.get("device", "auto")
    if wanted is not None:
        output = output_folder(given.get("output"), given["ckpt_path"], f"inspect_{inspector.check(wanted)}")
        files = inspector.draw(load_model(given["ckpt_path"], device), wanted, output)
    else:
        assert isinstance(inspector, SplitInspector)
        output, files = _inspect_split(inspector, given, others, device)
    print_plain(f"Written to {output}: {', '.join(path.name for path in files)}")


def _inspect_split(
    inspector: SplitInspector, given: Mapping[str, Any], others: Sequence[str], device: str
) -> tuple[Path, Sequence[Path]]:
    from lstmzoo.runs.device import load_model
    from lstmzoo.runs.evaluate import evaluate, open_split
    from lstmzoo.runs.request import read_request

    split, path = given.get("split", "test"), given["ckpt_path"]
    same = ("ckpt_path", "split", "output", "device")
    changed = [f"{key}={value}" for key, value in given.items() if key not in same]
    request = read_request(path, split, given.get("output"), others, changed)
    model = load_model(path, device)
    inspector.check_split(model, open_split(request, model).test_dataset)
    output = request.folder(f"inspect_{split}")
    results, dataset = evaluate(request, output)
    return output, inspector.draw_split(model, results, dataset, output)


def check_words(command: str, words: Sequence[str]) -> None:
    """Say how to write it when a checkpoint or a file is given without its key.

    Raises:
        LstmzooError: a word is the path of something.
    """
    for word in words:
        path = Path(word).expanduser()
        if "=" in word or word.startswith("-") or not (path.exists() or is_name(word)):
            continue
        is_run = is_name(word) or path.suffix == ".ckpt" or (path / "checkpoints").is_dir()
        key = "ckpt_path" if is_run or command == "eval" else "input"
        raise LstmzooError(f"{word!r}: write {key}={word}, e.g. lstmzoo {command} {key}={word}")


def _task_of(argv: Sequence[str], command: str) -> Any:
    """The task that the checkpoint in the arguments was trained for.

    Raises:
        LstmzooError: no checkpoint is named.
        CheckpointError: it cannot be read.
    """
    from lstmzoo.runs.stored import task_name

    named = [word.partition("=")[2] for word in argv if word.startswith("ckpt_path=")]
    if not named:
        raise LstmzooError(f"ckpt_path must be given, e.g. lstmzoo {command} ckpt_path=PATH")
    path = Path(named[-1].strip("'\"")).expanduser()
    return tasks.get(task_name(read_metadata(path), str(path))).target


def _divide(argv: Sequence[str], settings: Mapping[str, Setting]) -> tuple[list[str], list[str]]:
    """The words that are a command's own options, and those that change the configuration.

    Raises:
        LstmzooError: a word that is neither.
    """
    own = [word for word in argv if word.partition("=")[0] in settings]
    others = [word for word in argv if word not in own]
    for word in others:
        key = word.partition("=")[0]
        if key.isidentifier() and key not in (*GROUPS, "seed"):
            known = [*settings, *(f"{group}.<key>" for group in GROUPS), "seed"]
            raise LstmzooError(unknown_choice("option", key, known))
    return own, others
