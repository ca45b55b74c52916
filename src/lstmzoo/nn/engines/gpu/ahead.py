"""Kernels compiled for a GPU that need not be there: what they take, and whether they compile at all."""

from typing import Any

from lstmzoo.nn.engines.gpu.emit import SIZES, StageCode
from lstmzoo.nn.engines.gpu.library import TritonLibrary, tiling_of, whole_constants, whole_options
from lstmzoo.nn.engines.gpu.whole import OFFSETS, PassCode

MOVES = ("_at", *(f"_{offset}" for offset in OFFSETS))  # ends of the names of offsets, which can be large


def compile_ahead(library: TritonLibrary, code: StageCode | PassCode, units: int, target: str) -> Any:
    """Compile a kernel.

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

    nvidia, widths = target.startswith("sm_"), dict.fromkeys((*SIZES, "1"), units)
    if isinstance(code, StageCode):
        tiling = tiling_of(code, widths)
        name, constants = code.kernel, {"ROWS": tiling.rows, "BLOCK": tiling.block}
        options = {"num_warps": tiling.warps}
    else:
        name, constants = code.name, whole_constants(code, widths) | {"PRECISION": "ieee"}
        options = whole_options(nvidia)
    constants |= {"KEEP": True}
    function = library.functions[name]
    kinds = {**dict.fromkeys(constants, "constexpr"), **dict.fromkeys(("T", "B", *SIZES), "i32")}
    pointer = "*fp64" if library.double else "*fp32"
    names = function.arg_names
    signature = {name: kinds.get(name, "i64" if name.endswith(MOVES) else pointer) for name in names}
    divisible = [name for name, kind in signature.items() if kind == pointer or (name in SIZES and units % 16 == 0)]
    attributes = {(names.index(name),): [["tt.divisibility", 16]] for name in divisible}
    source = ASTSource(fn=function, signature=signature, constexprs=constants, attrs=attributes)
    gpu = GPUTarget("cuda", int(target.removeprefix("sm_")), 32) if nvidia else GPUTarget("hip", target, 64)
    return triton.compile(source, target=gpu, options=options)
