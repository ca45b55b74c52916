"""Kernels compiled for a GPU that need not be there: what they take, and whether they compile at all."""

from typing import Any

from lstmzoo.nn.engines.gpu.emit import SIZES, StageCode
from lstmzoo.nn.engines.gpu.library import TritonLibrary, tiling_of


def compile_ahead(library: TritonLibrary, code: StageCode, units: int, target: str) -> Any:
    """Compile the kernel of a stage.

    Args:
        library: the kernels of a step.
        code: one of them.
        units: H.
        target: an architecture, such as ``"sm_90"`` (NVIDIA) or ``"gfx942"`` (AMD).

    Returns:
        What `triton.compile` returns; its ``asm`` has the code.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    function, tiling = library.functions[code.name], tiling_of(code, dict.fromkeys((*SIZES, "1"), units))
    kinds = {"KEEP": "constexpr", "BLOCK": "constexpr", **dict.fromkeys(SIZES, "i32")}
    pointer = "*fp64" if library.double else "*fp32"
    signature = {name: kinds.get(name, "i64" if name.endswith("_at") else pointer) for name in function.arg_names}
    source = ASTSource(fn=function, signature=signature, constexprs={"KEEP": True, "BLOCK": tiling.block})
    nvidia = target.startswith("sm_")
    gpu = GPUTarget("cuda", int(target.removeprefix("sm_")), 32) if nvidia else GPUTarget("hip", target, 64)
    return triton.compile(source, target=gpu, options={"num_warps": tiling.warps})
