"""Whose files are used: of this user, of root and of the package's owner, if nobody else can write to them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastnet import trust

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no owners that os.chown could set")


def test_whose_folders_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, code = tmp_path / "base", tmp_path / "base" / "0123456789abcdef"
    assert trust.distrust(code) == ""
    base.touch()
    base.chmod(0o666)
    assert trust.distrust(code) == "", "advice about a file, such as /dev/null, would do harm"
    base.unlink()
    code.mkdir(parents=True)
    base.chmod(0o1777)
    assert trust.distrust(code) == "", "with the sticky bit nobody can replace what is ours"
    code.chmod(0o1777)
    assert "other users may write" in trust.distrust(code)
    code.chmod(0o775)
    monkeypatch.setattr(trust, "_is_private", lambda group: True)
    assert trust.distrust(code) == ""
    monkeypatch.setattr(trust, "_is_private", lambda group: False)
    assert "other users may write" in trust.distrust(code)
    code.chmod(0o755)
    monkeypatch.setattr(trust, "_trusted", lambda: frozenset({code.stat().st_uid + 1}))
    assert trust.distrust(code) == f"{code}: belongs to another user"


def test_whose_files_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.touch(mode=0o644)
    assert trust.distrust_file(path.stat()) == ""
    path.chmod(0o666)
    assert trust.distrust_file(path.stat()) == "other users may write to it"
    path.chmod(0o664)
    for private in (True, False):
        monkeypatch.setattr(trust, "_is_private", lambda group, private=private: private)
        assert bool(trust.distrust_file(path.stat())) is not private
    monkeypatch.setattr(trust, "_trusted", lambda: frozenset({path.stat().st_uid + 1}))
    assert trust.distrust_file(path.stat()) == "belongs to another user"


def test_nobody_else_may_write_to_what_is_kept(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with (tmp_path / "a").open("wb") as stream:
            trust.keep_from_others(stream.fileno())
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
