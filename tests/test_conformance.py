"""Everything that is registered passes the same checks: cells, models, data sets and tasks."""

import pytest

from lstmzoo.conformance import checks, registered


@pytest.mark.parametrize("check", [pytest.param(check, id=name) for name, check in checks(sorted(registered()))])
def test_registered(check):
    check()
