"""The scores of anybody's masks: a folder of PNGs against DAVIS or one's own data."""

from __future__ import annotations

import sys
from pathlib import Path

from lstmzoo.config.compose import compose
from lstmzoo.errors import LstmzooError, unknown_choice
from lstmzoo.io.atomic import making_folder, write_json
from lstmzoo.io.terminal import print_plain, wide_console
from lstmzoo.runs.measured import stamp
from lstmzoo.segmentation.data.lists import default_split
from lstmzoo.segmentation.tables import scores_table, write_official_tables
from lstmzoo.segmentation.metrics import PROTOCOLS, evaluate


def score_folder(argv: list[str]) -> None:
    """Score a folder of masks against a data set, print a table, and write the official tables and metrics.json.

    Args:
        argv: overrides of ``configs/eval_masks.yaml``.

    Raises:
        LstmzooError: a mistake in what was asked for.
        DataError: the folder or the data set cannot be used.
    """
    config = compose("eval_masks", argv)
    if config.protocol not in PROTOCOLS:
        raise LstmzooError(unknown_choice("protocol", config.protocol, PROTOCOLS))
    if "resolution" not in config.data:
        raise LstmzooError(f"data={config.data.name} has no masks; choose e.g. data=davis data.root=FOLDER")
    results, root = (Path(str(path)).expanduser() for path in (config.results, config.data.root))
    split = config.split or default_split(root)
    folder = results if config.output is None else Path(str(config.output)).expanduser()
    with making_folder(folder):  # to know before the work is done that its outcome can be written
        scores = evaluate(
            results,
            root,
            split=split,
            year=config.data.year,
            resolution=config.data.resolution,
            protocol=config.protocol,
            binary=config.data.binary or None,  # the lists of 2016 say so themselves
            stability=config.stability,
            workers=config.workers,
            progress=sys.stderr.isatty(),
        )
    if config.split is None and split == "all":
        print_plain(f"There are no lists in {root / 'ImageSets'}: all sequences are scored")
    console = wide_console()
    console.print(f"{results} on {root}, {split}, {config.protocol}", soft_wrap=True)
    console.print(scores_table(scores))
    files = [*write_official_tables(scores, folder, split), folder / "metrics.json"]
    measured = {"results": str(results), "root": str(root), "split": split, **stamp()}
    write_json(files[-1], {"protocol": config.protocol, "split": split, **scores.as_dict(), "measured": measured})
    print(f"Written to {folder}: {', '.join(path.name for path in files)}")
