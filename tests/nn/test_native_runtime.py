"""The C runtime of the native engine against numpy and double-precision libm."""

import ctypes
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import lstmzoo.nn

HEADER = Path(lstmzoo.nn.__file__).parent / "engine" / "native" / "runtime.h"
COMPILER = shutil.which("cc")
FLAGS = "-O3 -march=native -std=gnu11 -fPIC -shared -fno-math-errno -fno-trapping-math -ffp-contract=fast".split()
UNARY = ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "logsigmoid", "erf", "sqrt", "abs"]
WRAPPER = "\n".join(
    f"void {f}(long n, const real *x, real *y) {{ for (long j = 0; j < n; j++) y[j] = m_{f}(x[j]); }}" for f in UNARY
).replace("void exp", "void map_exp")
