"""Reading videos; the code is in `lstmzoo.io.video`."""

from lstmzoo.io.video import *  # noqa: F403
