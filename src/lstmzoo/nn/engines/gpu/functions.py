"""The functions that generated Triton kernels call: ``m_...`` under the names that C has for them, and a product.

Only basic operations of Triton are used, so that the interpreter runs what a GPU runs; it replaces them by name in
``tl``, which is why `m_abs` and its like are functions, not other names for them.
"""

import triton
import triton.language as tl


@triton.jit
def m_real(x):
    return tl.where(x, 1.0, 0.0)


@triton.jit
def m_where(condition, a, b):
    return tl.where(condition != 0.0, a, b)


@triton.jit
def m_max(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def m_min(a, b):
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def m_div(x, y):  # correctly rounded, as in C: a cell may take the floor of it
    return x / y if x.dtype.is_fp64() or y.dtype.is_fp64() else tl.div_rn(x, y)


@triton.jit
def m_abs(x):
    return tl.abs(x)


@triton.jit
def m_floor(x):
    return tl.floor(x)


@triton.jit
def m_sqrt(x):
    return tl.sqrt(x)


@triton.jit
def m_erf(x):
    return tl.erf(x)


@triton.jit
def m_exp(x):
    return tl.exp(x)


@triton.jit
def m_log(x):
    return tl.log(x)


@triton.jit
def m_sigmoid(x):
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def m_tanh(x):
    e = tl.exp(-2.0 * tl.abs(x))
    y = (1.0 - e) / (1.0 + e)
    s = x * x  # where x is small, 1 - e has lost its digits, and the series has them
    series = x * (1.0 - s * (1 / 3 - s * (2 / 15 - s * (17 / 315 - s * (62 / 2835)))))
    return tl.where(tl.abs(x) < 0.1, series, tl.where(x < 0.0, -y, y))


@triton.jit
def m_expm1(x):
    series = x * (1.0 + x / 2 * (1.0 + x / 3 * (1.0 + x / 4 * (1.0 + x / 5 * (1.0 + x / 6 * (1.0 + x / 7))))))
    return tl.where(tl.abs(x) < 0.05, series, tl.exp(x) - 1.0)


@triton.jit
def m_log1p(x):
    series = x * (1.0 - x * (1 / 2 - x * (1 / 3 - x * (1 / 4 - x * (1 / 5 - x * (1 / 6 - x * (1 / 7 - x / 8)))))))
    return tl.where(tl.abs(x) < 0.02, series, tl.log(1.0 + x))


@triton.jit
def m_softplus(x):
    return m_max(x, 0.0) + m_log1p(tl.exp(-tl.abs(x)))


@triton.jit
def m_logsigmoid(x):
    return m_min(x, 0.0) - m_log1p(tl.exp(-tl.abs(x)))


# Inlined, its addresses would be computed before the loop over the steps, and take registers throughout.
@triton.jit(noinline=True)
def multiply_tile(
    of, matrix, out, row, B, K, N, k_stride, n_stride,
    ROWS: tl.constexpr, K_BLOCK: tl.constexpr, N_BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Multiply ROWS vectors of ``of`` (B, K), beginning with ``row``, by a matrix (K, N), to ``out`` (B, N)."""
    b = row + tl.arange(0, ROWS)[:, None]
    for n_start in range(0, N, N_BLOCK):
        n = n_start + tl.arange(0, N_BLOCK)[None, :]
        total = tl.zeros((ROWS, N_BLOCK), tl.float32)
        for k_start in range(0, K, K_BLOCK):
            k = k_start + tl.arange(0, K_BLOCK)
            vectors = tl.load(of + b * K + k[None, :], (b < B) & (k[None, :] < K), 0.0)
            block = tl.load(matrix + k[:, None] * k_stride + n * n_stride, (k[:, None] < K) & (n < N), 0.0)
            total = tl.dot(vectors, block, total, input_precision=PRECISION)
        tl.store(out + b * N + n, total, (b < B) & (n < N))
