"""Everything that is registered passes the same checks: cells, models, data sets and tasks."""

from __future__ import annotations

import pytest

from lstmzoo import nn, registry
from lstmzoo.conformance import checks, registered

REGISTRIES = {one.kind: one for one in (registry.models, registry.datasets, registry.tasks)}


def is_ours(kind: str, name: str) -> bool:
    """Whether a thing is of the package: other tests register some of their own."""
    target = type(nn.get_cell(name)) if kind == "cell" else REGISTRIES[kind].get(name).target
    return target.__module__.startswith("lstmzoo.")


OURS = sorted(thing for thing in registered() if is_ours(*thing))


@pytest.mark.parametrize("check", [pytest.param(check, id=name) for name, check in checks(OURS)])
def test_registered(check):
    check()
