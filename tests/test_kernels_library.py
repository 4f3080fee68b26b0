"""How LLVM compiles the kernels; `test_kernels_store` has two processes with one cache."""

from __future__ import annotations

from numba.core import compiler

from fastnet.kernels import _jit, _library


def test_what_a_kernel_calls_is_compiled_inside_it_and_has_no_name() -> None:
    @_jit.kernel
    def inner(x: int) -> int:
        return x if x < 2 else 3 * inner(x - 1) + inner(x - 2)

    @_jit.entry
    def outer(x: int) -> int:
        return inner(x) + inner(x + 1)

    assert outer(3) == 10 + 33, "inner calls itself, so that nothing takes its place"
    assert _library.INNER is not compiler.Compiler, "Numba's libraries have changed: kernels share names"
    [code] = outer.inspect_asm().values()
    shared = [line for line in code.splitlines() if "inner" in line and (".weak" in line or ".globl" in line)]
    assert "outer" in code and not shared
