"""Trials under which lstmzoo must neither break nor lie; run by ``scripts/stress``, and a few of them by the tests."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS / part) for part in ("", "captioning", "segmentation")]  # where the tests' writers are
