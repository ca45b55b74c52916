"""Gated recurrent units: relatives of the GRU whose gates stand before the matrix product or are fewer.

z = 1 keeps the old state in Cho's unit and takes the new content in the others: each docstring says which.
"""

from typing import Any

from torch import sigmoid, tanh

from lstmzoo.nn.cell import Cell
from lstmzoo.nn.cell_registry import register_cell


@register_cell("gru_reset_before")
class ResetBeforeGRU(Cell):
    """Gated recurrent unit as first published: the reset gate acts on h before the matrix product.

    r = σ(z_r)    z = σ(z_z)    n = tanh(W_n x + b_n + R_n (r ⊙ h₋) + b'_n)

    h = (1 − z) ⊙ n + z ⊙ h₋

    z = 1 keeps the old state. `GRU` is torch's and cuDNN's form, with r after the product.

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", section 2.3, eq. 5 to 8.
    """

    gates = {"r": sigmoid, "z": sigmoid, "n": tanh}
    state = ("h",)
    deferred = ("n",)
    forget_gate = "z"

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        r, keep = gate.r(z.r), gate.z(z.z)
        n = gate.n(z.n(r * s.h))
        return self.State(h=(1 - keep) * n + keep * s.h)


@register_cell("mgu")
class MinimalGatedUnit(Cell):
    """Minimal gated unit: one gate in place of the GRU's two.

    f = σ(z_f)    n = tanh(W_n x + b_n + R_n (f ⊙ h₋) + b'_n)

    h = (1 − f) ⊙ h₋ + f ⊙ n

    The paper calls f a forget gate, but f = 1 takes the new content and f = 0 keeps the old state.

    Source: Zhou et al. 2016, "Minimal gated unit for recurrent neural networks" (1603.09420), section 3.
    """

    gates = {"f": sigmoid, "n": tanh}
    state = ("h",)
    deferred = ("n",)
    input_gate, coupled_input_forget = "f", True

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        f = gate.f(z.f)
        n = gate.n(z.n(f * s.h))
        return self.State(h=(1 - f) * s.h + f * n)


class _MutatedUnit(Cell):
    """What the three units have in common: h = z ⊙ n + (1 − z) ⊙ h₋, where z = 1 takes the new content."""

    input_gate, coupled_input_forget = "z", True

    def mix(self, take: Any, n: Any, s: Any) -> Any:
        return self.State(h=take * n + (1 - take) * s.h)


@register_cell("mut1")
class MUT1(_MutatedUnit):
    """First of three units found by a search over ten thousand: the update gate sees the input only.

    z = σ(W_z x + b_z)    r = σ(z_r)    n = tanh(R_n (r ⊙ h₋) + b'_n + tanh(W_n x + b_n))

    h = z ⊙ n + (1 − z) ⊙ h₋

    z = 1 takes the new content. The paper has tanh(x), which needs inputs of the size of h; a map W_n x + b_n stands
    here for every size.

    Source: Jozefowicz, Zaremba & Sutskever 2015, "An empirical exploration of recurrent network architectures", sec. 4.
    """

    gates = {"z": sigmoid, "r": sigmoid, "n": tanh}
    state = ("h",)
    input_only = ("z",)
    deferred = ("n",)

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        take, r = gate.z(z.z), gate.r(z.r)
        n = gate.n(z.n.recurrent(r * s.h) + tanh(z.n.x))
        return self.mix(take, n, s)


@register_cell("mut2")
class MUT2(_MutatedUnit):
    """Second of three units found by a search over ten thousand: the reset gate sees the raw input.

    z = σ(z_z)    r = σ(W_r x + b_r + R_r h₋ + b'_r)    n = tanh(W_n x + b_n + R_n (r ⊙ h₋) + b'_n)

    h = z ⊙ n + (1 − z) ⊙ h₋

    z = 1 takes the new content. The paper has x for W_r x, which needs inputs of the size of h; with a map for every
    size, this is `ResetBeforeGRU` with the other sign of z.

    Source: Jozefowicz, Zaremba & Sutskever 2015, "An empirical exploration of recurrent network architectures", sec. 4.
    """

    gates = {"z": sigmoid, "r": sigmoid, "n": tanh}
    state = ("h",)
    deferred = ("n",)

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        take, r = gate.z(z.z), gate.r(z.r)
        return self.mix(take, gate.n(z.n(r * s.h)), s)


@register_cell("mut3")
class MUT3(_MutatedUnit):
    """Third of three units found by a search over ten thousand: the update gate sees tanh of the state.

    r = σ(z_r)    z = σ(W_z x + b_z + R_z tanh h₋ + b'_z)    n = tanh(W_n x + b_n + R_n (r ⊙ h₋) + b'_n)

    h = z ⊙ n + (1 − z) ⊙ h₋

    z = 1 takes the new content.

    Source: Jozefowicz, Zaremba & Sutskever 2015, "An empirical exploration of recurrent network architectures", sec. 4.
    """

    gates = {"r": sigmoid, "z": sigmoid, "n": tanh}
    state = ("h",)
    deferred = ("z", "n")

    def step(self, z: Any, s: Any, gate: Any, p: Any) -> Any:
        r, take = gate.r(z.r), gate.z(z.z(tanh(s.h)))
        return self.mix(take, gate.n(z.n(r * s.h)), s)
