"""Compiles, for GPUs that are not there, a cell with every function that generated kernels call; a test runs it."""

import torch
from torch.nn import functional as F

import lstmzoo.nn as zoo
from lstmzoo.nn.engines.gpu.ahead import compile_ahead
from lstmzoo.nn.engines.gpu.library import TritonLibrary
from lstmzoo.nn.engines.native import kernel
from lstmzoo.nn.layer import Step


class EveryFunction(zoo.Cell):
    gates = {"z": torch.tanh}
    state = ("h",)

    def step(self, z, s, gate, p):
        v, positive = z.z, z.z * z.z + 1
        a = F.softplus(v) + F.logsigmoid(v) + F.gelu(v) + F.elu(v) + F.hardsigmoid(v) + torch.erf(v) + torch.exp(v)
        b = torch.expm1(v) + torch.log1p(positive) + torch.log(positive) + torch.sqrt(positive) + v.abs() + v / positive
        c = torch.floor(v) + torch.remainder(v, 2) + torch.clamp(v, -1, 1) + torch.where(v > 0, 0.1, 0.3) - v
        d = torch.maximum(v, s.h) + torch.minimum(v, s.h) + v.mean(1, keepdim=True) + torch.relu(v) + v.detach()
        return self.State(h=gate.z(a + b + c + d))


if __name__ == "__main__":
    for dtype in (torch.float32, torch.float64):
        made = kernel.find(Step(EveryFunction()), True, False, dtype, TritonLibrary)
        for target in ("sm_80", "sm_90", "gfx942"):
            codes = [code for codes in made.library.codes.values() for code in codes.values()]
            codes += made.library.passes.values() if made.library.whole else []
            print(dtype, target, len([compile_ahead(made.library, code, 100, target).asm for code in codes]))
