"""``lstmzoo study``: many small networks, trained alike, in one table and one picture."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from lstmzoo.errors import LstmzooError, unknown_choice

STUDIES = {"memory": "how far back cells remember, with equal parameters and steps"}

USAGE = """\
usage: lstmzoo study NAME [option=value ...]

{studies}

`lstmzoo study NAME --help` lists the options. A study that was interrupted goes on with the same command.

Examples
  lstmzoo study memory quick=true                      in about a minute
  lstmzoo study memory task=recall,temporal_order cells=rnn_tanh,gru,lstm distances=10,100,1000
"""


def run(argv: Sequence[str]) -> None:
    """Run a study."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(USAGE.format(studies="\n".join(f"  {name:<10}{about}" for name, about in STUDIES.items())), end="")
        return
    if argv[0] not in STUDIES:
        raise LstmzooError(f"lstmzoo study: {unknown_choice('study', argv[0], STUDIES)}")
    module = importlib.import_module(f"lstmzoo.study.{argv[0]}")
    if {"-h", "--help", "help"} & {*argv[1:]}:
        print(module.USAGE, end="")
        return
    module.study(argv[1:])
