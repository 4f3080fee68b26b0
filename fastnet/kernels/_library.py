"""How LLVM compiles the kernels: each function with an address once, with everything that it calls inside.

Numba gives every function machine code of its own with its callees inside, and again each of its callers: one that five
others call in turn is optimised six times, five of them for nothing, since only the outermost is ever called by its
address. Here the inner ones are handed on as they were written. A search of tables that begins with nothing compiled
takes 19.2 s on one core instead of 23, of which LLVM has 6 instead of 12; and since LLVM may take apart what nobody
else can call, a trial of a 16-16 network takes 0.93 of the time.

The inner functions have no names in machine code. With Numba's libraries, functions of equal names are the same one,
and two that were made from one source have equal names: from a cache that two processes had filled, one was taken for
the other.

Numba has no public way to do this. If another version does it differently, its own way is used, and nothing is stored.
"""

from __future__ import annotations

from typing import Any

from numba.core import compiler
from numba.core.codegen import JITCodeLibrary

_NEEDED = (
    "_ensure_finalized", "_finalize_final_module", "_get_module_for_linking", "_optimize_final_module",
    "add_linking_library", "finalize", "get_pointer_to_function",
)  # fmt: skip


class _NoEnvironment:
    """Takes the place of the code generator of an inner function, whose environment lies in the outermost one."""

    @staticmethod
    def set_env(name: str, environment: Any) -> None:
        """Do nothing: an inner function is not in memory on its own."""


class _Outer(JITCodeLibrary):  # type: ignore[misc]
    """What a function with an address becomes."""

    def finalize(self) -> None:
        """Take in the inner functions under names that nobody else sees, and compile all of it."""
        own = {function.name for function in self._final_module.functions if not function.is_declaration}
        self._take_in()
        for function in self._final_module.functions:
            if not function.is_declaration and function.name not in own:
                function.linkage = "private"
        self._optimize_final_module()
        self._final_module.verify()
        self._finalize_final_module()

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _take_in(self) -> None:
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)


class _Inner(_Outer):
    """What a function becomes that only others of ours call: nothing, until they are compiled."""

    @property
    def codegen(self) -> Any:
        """What sets the environment of a function that is in memory."""
        return _NoEnvironment

    def finalize(self) -> None:
        """Take in what it calls."""
        self._take_in()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0: there is no machine code."""
        self._ensure_finalized()
        return 0


class _OuterCompiler(compiler.Compiler):  # type: ignore[misc]
    """Numba's compiler, into an `_Outer`."""

    library_class: type[_Outer] = _Outer

    def compile_extra(self, func: Any) -> Any:
        """Compile a Python function."""
        self.state.library = self.library_class(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()
        return super().compile_extra(func)


class _InnerCompiler(_OuterCompiler):
    """Numba's compiler, into an `_Inner`."""

    library_class = _Inner


KNOWN = all(hasattr(JITCodeLibrary, name) for name in _NEEDED)
"""Whether this Numba has what is needed here. Otherwise code on disk could be taken for other code of its name."""

OUTER = _OuterCompiler if KNOWN else compiler.Compiler
"""For functions with an address."""

INNER = _InnerCompiler if KNOWN else compiler.Compiler
"""For functions that only other kernels call."""
