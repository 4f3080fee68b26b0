"""The cache of compiled kernels on other people's machines: only ever our folder, and never the wrong code.

The programs that guard it compile variants of one source. A single kernel would not notice a cache in which they share
an index, and in which one activation is then loaded for another.
"""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import programs
import pytest

from fastnet import FastnetWarning, reference
from fastnet.kernels import _jit, _store, activation
from fastnet.machine import cache

KERNELS = Path(_jit.__file__).parent
PACKAGE = KERNELS.parent
NAMES = ("leaky-relu", "tanh", "gelu")

VARIANTS = f"""
import ctypes
import numpy as np
from fastnet.kernels import activation, layout

for name in {NAMES!r}:
    stage = int(activation.stages(name)[activation.APPLY])
    y, slopes = layout.aligned((1, 32)), layout.aligned((1, 32))
    y[0, :5] = np.linspace(-2, 2, 5)
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 8, ctypes.c_float)(stage)
    call(0, 1, 5, y.ctypes.data, 128, slopes.ctypes.data, 0, 0, 1.0)
    print(name, *y[0, :5].tolist())
"""


def run(code: str = VARIANTS, *, user: bool = False, **settings: str | None) -> tuple[list[str], list[str]]:
    """Run a program in a process of its own; return the lines it prints, and the notes in one line each."""
    return programs.run(code, user=user, **settings)


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """What the variants print, and a cache that holds all of them."""
    folder = tmp_path_factory.mktemp("right") / "cache"
    lines, notes = run(FASTNET_CACHE=str(folder))
    assert notes == []
    return lines, folder


def stored(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def filled(right: tuple[list[str], Path], tmp_path: Path) -> Path:
    """A copy of that cache."""
    shutil.copytree(right[1], tmp_path / "cache")
    return tmp_path / "cache"


def test_the_program_distinguishes_variants(right: tuple[list[str], Path]) -> None:
    z = np.linspace(-2, 2, 5)
    for name, line in zip(NAMES, right[0], strict=True):
        assert [float(word) for word in line.split()[1:]] == pytest.approx(
            reference.activation.activate(z, name), rel=1e-5
        )
    assert {path.parent.name for path in stored(right[1])} >= {f"micro-activation-{name}" for name in NAMES}
    assert {path.suffix for path in stored(right[1])} == {".nbc"}


def test_a_full_cache_is_loaded_silently_and_left_alone(right: tuple[list[str], Path], filled: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in stored(filled)}
    assert run(FASTNET_CACHE=str(filled)) == (right[0], [])
    assert {path: path.stat().st_mtime_ns for path in stored(filled)} == before


@pytest.mark.parametrize(
    "kind", ["file", "below a file", "empty", "read-only", "closed", "link to nowhere", "too long"]
)
def test_kernels_are_compiled_in_memory_if_the_folder_cannot_be_used(
    right: tuple[list[str], Path], tmp_path: Path, kind: str
) -> None:
    home, place = tmp_path / "home", tmp_path / "place"
    home.mkdir()
    match kind:
        case "file" | "below a file":
            place.write_text("mine")
        case "empty" | "read-only":
            place.mkdir()
            place.chmod(0o555)
        case "closed":
            place.mkdir()
            place.chmod(0o000)
        case "link to nowhere":
            place.symlink_to(tmp_path / "gone" / "place")
        case "too long":
            place = tmp_path / ("n" * 300)
    chosen = place / "below" if kind in ("below a file", "read-only") else place
    package = Path(_store.__file__).parent
    before = set(package.rglob("*"))
    lines, notes = run(user=True, FASTNET_CACHE=str(chosen), HOME=str(home), XDG_CACHE_HOME=None)
    assert lines == right[0]
    assert len(notes) == 1 and str(chosen) in notes[0] and "compiled in memory" in notes[0]
    new = {path for path in package.rglob("*") if path.suffix in (".nbi", ".nbc")} - before
    assert not new and not [path for path in home.rglob("*") if path.is_file()]
    if kind == "file":
        assert place.read_text() == "mine"
    if kind in ("empty", "read-only", "closed"):
        place.chmod(0o755)


def test_a_folder_that_may_only_be_read_is_read(right: tuple[list[str], Path], filled: Path) -> None:
    stored(filled)[0].unlink()
    for path in (filled, *filled.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    lines, notes = run(user=True, FASTNET_CACHE=str(filled))
    assert lines == right[0] and len(notes) == 1 and "cannot be written" in notes[0] and str(filled) in notes[0]
    for path in filled.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert run(FASTNET_CACHE=str(filled))[1] == []
    for path in filled.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    assert run(user=True, FASTNET_CACHE=str(filled)) == (right[0], []), "nothing had to be stored"


def damage(path: Path, kind: str) -> None:
    content = path.read_bytes()
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(content[:-100])
        case "head alone":
            path.write_bytes(content[:10])
        case "longer":
            path.write_bytes(content + b"more")
        case "bit":
            place = len(content) // 2
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        case "of another function":
            others = [other for other in stored(path.parent.parent) if other != path and other.stat().st_size]
            path.write_bytes(others[0].read_bytes())
        case "folder":
            path.unlink()
            path.mkdir()


def test_damaged_files_are_compiled_anew_and_replaced(right: tuple[list[str], Path], filled: Path) -> None:
    for path, kind in zip(
        stored(filled), itertools.cycle(["empty", "cut", "head alone", "longer", "bit"]), strict=False
    ):
        damage(path, kind)
    lines, notes = run(FASTNET_CACHE=str(filled))
    assert lines == right[0] and len(notes) == 1 and "damaged" in notes[0] and str(filled) in notes[0]
    assert all(_store.content_of(path.read_bytes()) is not None for path in stored(filled))
    assert run(FASTNET_CACHE=str(filled)) == (right[0], [])


def test_the_code_of_another_function_is_not_loaded(right: tuple[list[str], Path], filled: Path) -> None:
    for path in stored(filled):
        damage(path, "of another function")
    assert run(FASTNET_CACHE=str(filled))[0] == right[0]
    assert run(FASTNET_CACHE=str(filled)) == (right[0], [])


def test_a_folder_in_place_of_a_file_does_not_fail(right: tuple[list[str], Path], filled: Path) -> None:
    damage(stored(filled)[0], "folder")
    assert run(FASTNET_CACHE=str(filled))[0] == right[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit for the size of a file")
def test_a_full_disk_costs_the_cache_and_nothing_else(right: tuple[list[str], Path], tmp_path: Path) -> None:
    # The system reports a file that grows beyond its limit like a full disk, and in the same place.
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n" + VARIANTS
    lines, notes = run(limited, FASTNET_CACHE=str(tmp_path / "cache"))
    assert lines == right[0] and len(notes) == 1 and "cannot be written (" in notes[0]
    assert {path.suffix for path in stored(tmp_path / "cache")} <= {".nbc"}, "a temporary file was left"
    assert all(_store.content_of(path.read_bytes()) is not None for path in stored(tmp_path / "cache"))


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no permissions that os.chmod could give")
@pytest.mark.parametrize(("loose", "inner"), [(0o777, False), (0o757, True)])
def test_a_folder_that_others_may_write_to_is_refused(
    right: tuple[list[str], Path], filled: Path, loose: int, inner: bool
) -> None:
    [code] = filled.iterdir()
    place = code if inner else filled
    place.chmod(loose)
    lines, notes = run(FASTNET_CACHE=str(filled))
    assert lines == right[0] and len(notes) == 1
    assert f"{place}: other users may write to it; run: chmod go-w {place}" in notes[0]
    place.chmod(loose & ~0o022)
    assert run(FASTNET_CACHE=str(filled)) == (right[0], [])


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no permissions that os.chmod could give")
def test_a_file_that_others_may_write_to_is_refused(right: tuple[list[str], Path], filled: Path) -> None:
    for path in stored(filled):
        path.chmod(0o666)
    lines, notes = run(FASTNET_CACHE=str(filled))
    assert lines == right[0] and len(notes) == 1
    assert notes[0].endswith("other users may write to it; the kernel is compiled in memory")


def test_two_cold_processes_fill_one_cache(right: tuple[list[str], Path], tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda _: run(FASTNET_CACHE=str(tmp_path / "cache")), range(2)))
    assert found == [(right[0], [])] * 2
    files = stored(tmp_path / "cache")
    assert [path.name for path in files] == [path.name for path in stored(right[1])]
    assert all(_store.content_of(path.read_bytes()) is not None for path in files)


def test_folders_are_made_so_that_nobody_else_may_write_to_them(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert _store.writable(tmp_path / "new" / "base" / "code") == ""
    finally:
        os.umask(before)
    for place in ("new/base", "new/base/code"):
        assert os.name == "nt" or stat.S_IMODE((tmp_path / place).stat().st_mode) & 0o022 == 0
    assert stored(tmp_path) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the home folder of other systems is found otherwise")
def test_without_a_home_folder_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does for a user without a home folder
    monkeypatch.delenv("FASTNET_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert _store.cache_folder() is None and "no home folder was found" in _store.why_none()
    assert cache.look().folder is None and cache.clean() == cache.Cleaned(0, 0, 0)
    monkeypatch.setattr(_store, "_said", set())
    monkeypatch.setattr(_jit, "_CACHE", None)
    with pytest.warns(FastnetWarning, match="kernels are compiled in memory, at every start"):
        _jit.entry(lambda: None)


def test_the_tilde_stands_for_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("FASTNET_CACHE", "~/kernels")
    folder = _store.cache_folder()
    assert folder is not None and folder.parent == tmp_path / "kernels"
    monkeypatch.setenv("FASTNET_CACHE", "~nobody-of-that-name/kernels")
    assert _store.cache_folder() is None and "FASTNET_CACHE=~nobody-of-that-name/kernels" in _store.why_none()


def test_settings_that_change_the_code_have_separate_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path))
    seen = {_store.cache_folder()}
    for name in _store._COMPILER_SETTINGS:
        with monkeypatch.context() as patch:
            patch.setattr(_store.config, name, "another")
            seen.add(_store.cache_folder())
    assert len(seen) == 1 + len(_store._COMPILER_SETTINGS)


def test_variants_of_one_source_never_share_a_file() -> None:
    folder = _store.cache_folder()
    if folder is None:
        pytest.skip("the cache is switched off")
    for name in activation.FORMULAS:
        activation.stages(name)
    files = {path.parent.name for path in folder.glob("micro-activation-*/activation._apply-*.nbc")}
    assert files == {f"micro-activation-{name}" for name in activation.FORMULAS}


def test_the_cache_folder_follows_every_kernels_source(monkeypatch, tmp_path):
    copy = tmp_path / "kernels"
    shutil.copytree(KERNELS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    here = _store.cache_folder()
    monkeypatch.setattr(_store, "__file__", str(copy / "_store.py"))
    assert _store.cache_folder() == here, "the folder of the package should not matter"
    seen = {here}
    for source in sorted(copy.glob("*.py")):
        before = source.read_bytes()
        source.write_bytes(before + b"\n")
        seen.add(_store.cache_folder())
        source.write_bytes(before)
    assert len(seen) == 1 + len(list(copy.glob("*.py")))
    assert _store.cache_folder() == here
    monkeypatch.setattr(_store.host, "LANES", 2 * _store.host.LANES)
    assert _store.cache_folder() not in seen


def test_the_cache_is_where_it_is_asked_for_or_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path))
    assert _store.cache_folder().parent == tmp_path
    monkeypatch.setenv("FASTNET_CACHE", "0")
    assert _store.cache_folder() is None
    monkeypatch.delenv("FASTNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert _store.cache_folder().parent == tmp_path / "fastnet"


ALIKE = """
import ctypes, sys
from numba import types
from fastnet.kernels import _jit

def inner_of(factor):
    @_jit.kernel
    def inner(x):
        return factor if x < 2 else 3 * inner(x - 1) + inner(x - 2) * factor
    return inner

def outer(x):
    return inner(x) - inner(x + 1) + inner(2 * x)

for factor in FACTORS:
    source = _jit.with_names(outer, {"inner": inner_of(factor)})
    compiled = _jit.micro(types.int64(types.int64), source, f"outer-{factor}")
    print(ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(compiled.address)(5))
"""


def test_functions_of_equal_names_compiled_by_two_processes_are_told_apart(tmp_path: Path) -> None:
    """In each of the two, the inner function is the first of its name; it calls itself, so nothing takes its place."""
    alone = [run(f"FACTORS = [{factor}]{ALIKE}", FASTNET_CACHE=str(tmp_path / "code"))[0][0] for factor in (5, 8)]
    assert alone[0] != alone[1]
    files = stored(tmp_path / "code")
    for factors in ([5, 8], [8, 5]):
        lines, _ = run(f"FACTORS = {factors}{ALIKE}", FASTNET_CACHE=str(tmp_path / "code"))
        assert lines == (alone if factors[0] == 5 else alone[::-1])
    assert stored(tmp_path / "code") == files, "the code was not loaded"


def test_with_an_unknown_numba_nothing_is_stored_and_all_is_right(tmp_path: Path) -> None:
    other = """
from numba.core import compiler
from fastnet.kernels import _library
_library.KNOWN, _library.OUTER, _library.INNER = False, compiler.Compiler, compiler.Compiler
"""
    printed = []
    for factors in ([5], [8], [5, 8]):
        lines, notes = run(f"FACTORS = {factors}{other}{ALIKE}", FASTNET_CACHE=str(tmp_path / "code"))
        assert len(notes) == 1 and "is newer than this fastnet" in notes[0]
        printed.append(lines)
    assert printed[2] == printed[0] + printed[1] and printed[0] != printed[1]
    assert not (tmp_path / "code").exists()


EXPONENTIALS = """
import numpy as np
from fastnet.kernels._jit import entry
from fastnet.kernels.cross_entropy import exp_shifted
from fastnet.kernels.memory import address_of

@entry
def enter(x, out):
    exp_shifted(address_of(x), x.shape[0], np.float32(0), address_of(out))

out = np.empty(16, np.float32)
enter(np.arange(16, dtype=np.float32), out)
print(*out.tolist())
"""


def test_a_change_in_a_file_that_a_kernel_imports_compiles_it_again(tmp_path):
    # Numba itself looks at the file of the kernel alone, here objective.py.
    shutil.copytree(PACKAGE, tmp_path / "fastnet", ignore=shutil.ignore_patterns("__pycache__"))
    settings = {"FASTNET_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}

    def exponentials() -> list[float]:
        [line], notes = run(EXPONENTIALS, **settings)
        assert notes == []
        return [float(word) for word in line.split()]

    before = exponentials()
    assert before == pytest.approx(np.exp(np.arange(16)).tolist(), rel=1e-6)
    source = tmp_path / "fastnet" / "kernels" / "vector.py"
    text = source.read_text(encoding="utf-8")
    changed = text.replace("[127] * LANES", "[128] * LANES")
    assert changed != text
    source.write_text(changed, encoding="utf-8")
    assert exponentials() == [2 * value for value in before]
    assert len(list((tmp_path / "cache").iterdir())) == 2
    source.write_text(text, encoding="utf-8")
    assert exponentials() == before
    assert len(list((tmp_path / "cache").iterdir())) == 2
