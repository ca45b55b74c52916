"""KTH; the code is in `lstmzoo.actions.data.kth`."""

from lstmzoo.actions.data.kth import *  # noqa: F403
