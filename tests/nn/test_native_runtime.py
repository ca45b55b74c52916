"""The C runtime under generated cells, against numpy's products and the double-precision functions of torch."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import lstmzoo.nn

HEADER = Path(lstmzoo.nn.__file__).parent / "engines" / "native" / "runtime.h"
FLAGS = ["-O3", "-march=native", "-std=gnu11", "-fPIC", "-shared"]
FLAGS += ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]

# The function it has to equal, and the largest error allowed in float, in units in the last place.
UNARY: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], float]] = {
    "exp": (torch.exp, 1.5),
    "expm1": (torch.expm1, 2),
    "log": (torch.log, 1.5),
    "log1p": (torch.log1p, 2),
    "tanh": (torch.tanh, 3),
    "sigmoid": (lambda x: torch.where(x < 0, (-x.abs()).exp(), 1) / (1 + (-x.abs()).exp()), 3),
    "softplus": (lambda x: x.clamp(min=0) + torch.log1p((-x.abs()).exp()), 2.5),
    "logsigmoid": (lambda x: x.clamp(max=0) - torch.log1p((-x.abs()).exp()), 2.5),
    "erf": (torch.erf, 2),
    "sqrt": (torch.sqrt, 0.5),
    "abs": (torch.abs, 0),
}
BINARY = {"max": torch.maximum, "min": torch.minimum}


def wrapper() -> str:
    """C that makes the header's static functions callable from outside."""
    lines = ['#include "runtime.h"']
    for name in UNARY:
        lines.append(
            f"void map_{name}(long n, const real *x, real *y) {{ for (long j = 0; j < n; j++) y[j] = m_{name}(x[j]); }}"
        )
    for name in BINARY:
        loop = f"for (long j = 0; j < n; j++) y[j] = m_{name}(a[j], b[j]);"
        lines.append(f"void map_{name}(long n, const real *a, const real *b, real *y) {{ {loop} }}")
    lines.append("long size(long n, long k) { return packed_size(n, k); }")
    for name in ("pack_nt", "pack_nn"):
        lines.append(
            f"void call_{name}(long a, long b, const real *R, long ldr, real *P) {{ {name}(a, b, R, ldr, P); }}"
        )
    for name in ("gemm_packed", "gemm_nt", "gemm_nn"):
        arguments = "m, n, k, A, lda, B, ldb, C, ldc, add".replace("ldb, ", "" if name == "gemm_packed" else "ldb, ")
        lines.append(
            f"void call_{name}(long m, long n, long k, const real *A, long lda, const real *B, long ldb, real *C, "
            f"long ldc, int add) {{ (void)ldb; {name}({arguments}); }}"
        )
    return "\n".join(lines) + "\n"


class Runtime:
    """The compiled header for one dtype."""

    def __init__(self, folder: Path, dtype: type) -> None:
        source, library = folder / "wrapper.c", folder / f"{dtype.__name__}.so"
        source.write_text(wrapper())
        double = ["-DREAL_DOUBLE"] if dtype is np.float64 else []
        command = ["cc", *FLAGS, *double, f"-I{HEADER.parent}", str(source), "-o", str(library), "-lm"]
        subprocess.run(command, check=True)
        self.dtype, self.library = dtype, ctypes.CDLL(str(library))
        self.library.size.restype = ctypes.c_long

    def __call__(self, name: str, *arguments: int | np.ndarray) -> int:
        values = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_void_p(a.ctypes.data) for a in arguments]
        return getattr(self.library, name)(*values)

    def map(self, name: str, *inputs: np.ndarray) -> np.ndarray:
        output = np.empty_like(inputs[0])
        self(f"map_{name}", output.size, *inputs, output)
        return output

    def packed(self, kind: str, R: np.ndarray, n: int, k: int) -> np.ndarray:
        packed = np.full(self("size", n, k) + 8, 7, self.dtype)
        self(f"call_pack_{kind}", *((n, k) if kind == "nt" else (k, n)), R, R.shape[1], packed)
        assert (packed[-8:] == 7).all(), "written beyond packed_size"
        return packed


@pytest.fixture(scope="module", params=[np.float32, np.float64], ids=["float", "double"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler `cc` on the PATH")
    return Runtime(tmp_path_factory.mktemp("runtime"), request.param)


def edge_values(dtype: type) -> np.ndarray:
    limits = [0.0, np.inf, np.nan, np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal]
    special = [
        1.0,
        0.9,
        4.0,
        20.0,
        25.0,
        87.0,
        88.7,
        88.8,
        89.0,
        100.0,
        103.9,
        104.1,
        105.0,
        1e10,
        2.0**25,
        1 - 2.0**-24,
    ]
    values = np.array(limits + special, dtype)
    return np.concatenate([values, -values])


def many_floats() -> np.ndarray:
    """Every 4099th float32 there is (both signs, all exponents), and a dense range around 0."""
    patterns = np.arange(0, 2**32, 4099, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return np.concatenate([patterns, np.linspace(-20, 20, 400_001, dtype=np.float32), edge_values(np.float32)])


@pytest.mark.slow
@pytest.mark.parametrize("name", UNARY)
def test_functions_are_accurate_over_all_floats(runtime: Runtime, name: str) -> None:
    function, bound = UNARY[name]
    if runtime.dtype is np.float64:
        x = np.concatenate([np.linspace(-50, 50, 10_001), edge_values(np.float64)])
        want = function(torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(runtime.map(name, x), want, rtol=2e-14, atol=1e-323)  # libm, but not torch's
        return
    x = many_floats()
    got, exact = runtime.map(name, x), function(torch.from_numpy(x).double()).numpy()
    with np.errstate(over="ignore", invalid="ignore"):
        want = exact.astype(np.float32)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(got[np.isinf(want)], want[np.isinf(want)])
    finite = np.isfinite(want)
    ulp = np.spacing(np.nextafter(np.abs(want[finite]), np.float32(0))).astype(np.float64)  # finite at the largest, too
    error = np.abs(got[finite].astype(np.float64) - exact[finite]) / ulp
    worst = error.argmax()
    assert error[worst] <= bound, f"{name}({x[finite][worst]!r}) is {error[worst]:.2f} ulp off"


@pytest.mark.parametrize("name", UNARY)
def test_limits_are_exact(runtime: Runtime, name: str) -> None:
    inf, nan = np.inf, np.nan
    limits = {
        "exp": (0, inf), "expm1": (-1, inf), "log": (nan, inf), "log1p": (nan, inf), "tanh": (-1, 1), "sigmoid": (0, 1),
        "softplus": (0, inf), "logsigmoid": (-inf, 0), "erf": (-1, 1), "sqrt": (nan, inf), "abs": (inf, inf),
    }  # fmt: skip
    got = runtime.map(name, np.array([-inf, inf, nan] * 11, runtime.dtype))  # long enough for the vector loop
    np.testing.assert_array_equal(got, np.array([*limits[name], nan] * 11, runtime.dtype))


@pytest.mark.parametrize("name", BINARY)
def test_max_and_min_let_nan_through(runtime: Runtime, name: str) -> None:
    values = np.array([-np.inf, -2, 0, 1, np.inf, np.nan], runtime.dtype)
    a, b = (np.ascontiguousarray(grid.ravel()) for grid in np.meshgrid(values, values))
    want = BINARY[name](torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_array_equal(runtime.map(name, a, b), want)


def check_product(runtime: Runtime, kind: str, m: int, n: int, k: int, accumulate: bool) -> None:
    """Packed and unpacked products of matrices that are wider in memory than in use."""
    rng = np.random.default_rng(m + 100 * n + 10_000 * k)
    dtype = runtime.dtype
    A = rng.standard_normal((m, k + 3)).astype(dtype)
    R = rng.standard_normal((n, k + 2) if kind == "nt" else (k, n + 5)).astype(dtype)
    start = rng.standard_normal((m, n + 7)).astype(dtype)
    B = (R[:, :k].T if kind == "nt" else R[:, :n]).astype(np.float64)
    want = A[:, :k].astype(np.float64) @ B + (start[:, :n] if accumulate else 0)
    size = np.abs(A[:, :k]).astype(np.float64) @ np.abs(B) + 1  # what the rounding errors are relative to
    for name, matrix in (("gemm_packed", runtime.packed(kind, R, n, k)), (f"gemm_{kind}", R)):
        C = start.copy()
        if not accumulate:
            C[:, :n] = np.nan  # must not be read
        runtime(f"call_{name}", m, n, k, A, A.shape[1], matrix, R.shape[1], C, C.shape[1], int(accumulate))
        error = (np.abs(C[:, :n] - want) / size).max()
        assert error < 8 * np.finfo(dtype).eps, (name, m, n, k, accumulate, error)
        np.testing.assert_array_equal(C[:, n:], start[:, n:])


@pytest.mark.parametrize("kind", ["nt", "nn"])
@pytest.mark.parametrize("accumulate", [False, True])
def test_products_for_every_number_of_rows(runtime: Runtime, kind: str, accumulate: bool) -> None:
    for m in range(1, 41):
        for n, k in ((1, 1), (17, 33), (32, 64), (69, 70), (100, 515)):
            check_product(runtime, kind, m, n, k, accumulate)


@pytest.mark.parametrize("kind", ["nt", "nn"])
def test_products_for_odd_widths_and_depths(runtime: Runtime, kind: str) -> None:
    for n in range(1, 71, 3):
        for k in range(1, 71, 3):
            check_product(runtime, kind, 1 + (n + k) % 13, n, k, accumulate=bool(n % 2))


@pytest.mark.parametrize("kind", ["nt", "nn"])
def test_products_let_nan_and_infinity_through(runtime: Runtime, kind: str) -> None:
    m, n, k = 5, 37, 19
    A, B = np.ones((m, k), runtime.dtype), np.ones((k, n), runtime.dtype)
    A[1, 2], B[k - 1, 36] = np.nan, np.inf
    R = np.ascontiguousarray(B.T if kind == "nt" else B)
    for name, matrix in (("gemm_packed", runtime.packed(kind, R, n, k)), (f"gemm_{kind}", R)):
        C = np.zeros((m, n), runtime.dtype)
        runtime(f"call_{name}", m, n, k, A, k, matrix, R.shape[1], C, n, 0)
        np.testing.assert_array_equal(C, A @ B)
