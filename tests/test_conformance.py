"""Everything that is registered passes the same checks: cells, models, data sets and tasks."""

from __future__ import annotations

import pytest

from lstmzoo import nn, registry
from lstmzoo.conformance import checks, it_is_complete, registered
from lstmzoo.training.base import BaseTask

REGISTRIES = {one.kind: one for one in (registry.models, registry.datasets, registry.tasks)}


def is_ours(kind: str, name: str) -> bool:
    """Whether a thing is of the package: other tests register some of their own."""
    target = type(nn.get_cell(name)) if kind == "cell" else REGISTRIES[kind].get(name).target
    return target.__module__.startswith("lstmzoo.")


OURS = sorted(thing for thing in registered() if is_ours(*thing))


@pytest.mark.parametrize("check", [pytest.param(check, id=name) for name, check in checks(OURS)])
def test_registered(check):
    check()


def test_a_task_of_windows_has_to_count_frames(monkeypatch):
    monkeypatch.setattr(registry.tasks.get("recognition").target, "num_frames", BaseTask.num_frames)
    with pytest.raises(AssertionError, match="num_frames"):
        it_is_complete("recognition")
