"""Damaged studies: every query returns what is intact, or names the damage in one sentence."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from fastnet_cli.study_commands import commands
from studies import add_ensemble, make_study

from fastnet.errors import StudyError
from fastnet.report.page import write_report
from fastnet.tuning import STUDY_FILE, StoredTrials, Study, remove_study
from fastnet.tuning.store.records import sha256_of

SPACE = {"learning_rate": "log:1e-4:1", "optimizer": "choice:sgd,adam", "depth": "int:1:3"}
DAMAGED = r"study\.sqlite: the file is damaged( \({}\))?; restore it from a copy or choose another folder$"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("studies") / "s", 24, SPACE, stages=2)
    add_ensemble(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "s")


def change(folder: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(folder / STUDY_FILE)) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(statement, values).rowcount != 0, "nothing was damaged"


def change_json(folder: Path, table: str, column: str, where: str, alter: Callable[[Any], object]) -> None:
    with closing(sqlite3.connect(folder / STUDY_FILE)) as connection:
        (text,) = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
    document = json.loads(text)
    alter(document)
    change(folder, f"UPDATE {table} SET {column} = ? WHERE {where}", json.dumps(document))


def set_settings(folder: Path, text: str) -> None:
    """Change the settings and the hash that is stored with them."""
    change(folder, "UPDATE meta SET value = ? WHERE key = 'settings'", text)
    change(folder, "UPDATE meta SET value = ? WHERE key = 'settings_sha256'", sha256_of(text))


TRIAL = [
    ("id", -5), ("id", 2**62), ("stage", 0), ("stage", "two"), ("stage", 1.5), ("status", "gone"), ("status", b"done"),
    ("params", "{"), ("params", "[]"), ("params", "null"), ("params", b"{}"), ("params", "{}"), ("params", "[" * 9999),
    ("params", '{"learning_rate":1e999,"optimizer":"sgd","depth":1}'),
    ("params", '{"learning_rate":NaN,"optimizer":"sgd","depth":1}'),
    ("params", '{"learning_rate":"0.1","optimizer":"sgd","depth":1}'),
    ("params", '{"learning_rate":0.1,"optimizer":"rprop","depth":1}'),
    ("params", '{"learning_rate":0.1,"optimizer":"sgd","depth":1.5}'),
    ("params", '{"learning_rate":0.1,"optimizer":"sgd","depth":true}'),
    ("value", "high"), ("value", float("inf")), ("value", None), ("best_value", b"\0"), ("best_epoch", -1),
    ("best_epoch", 2**40), ("epochs", 10**9), ("epochs", "six"), ("seconds", -1.0), ("seconds", float("inf")),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), TRIAL)
def test_a_damaged_trial_is_named_and_the_others_can_be_read(folder: Path, column: str, value: Any) -> None:
    change(folder, f"UPDATE trials SET {column} = ? WHERE id = 5", value)
    number = value if column == "id" else 5
    with Study.read(folder) as study:
        with pytest.raises(StudyError, match=DAMAGED.format(f"trial {number}")):
            list(study.iter_trials())
        assert study.trial(4).id == 4 and study.count() == 24
        assert study.settings["space"] and study.final() is not None
    with pytest.raises(StudyError, match="damaged"):
        list(StoredTrials(folder))
    if column != "id":
        done = CliRunner().invoke(cli, ["studies", "export", str(folder)])
        assert done.exit_code == 1 and done.stderr.count("\n") == 1 and done.stderr.startswith("Error: ")
        with pytest.raises(StudyError, match="damaged"):
            write_report(folder, commands=commands)


@pytest.mark.parametrize(
    ("column", "value"),
    [("planned", 2**40), ("planned", -1), ("planned", 5), ("planned", "six"), ("curves", b""), ("curves", b"\0" * 17),
     ("curves", "text"), ("curves", b"\0" * 1600)],
)  # fmt: skip
def test_damaged_curves_are_named_and_the_rest_of_the_trial_can_be_read(folder: Path, column: str, value: Any) -> None:
    change(folder, f"UPDATE curves SET {column} = ? WHERE id = 5", value)
    with Study.read(folder) as study:
        assert len(list(study.iter_trials())) == 24
        with pytest.raises(StudyError, match=DAMAGED.format("the curves of trial 5")):
            study.trial(5)


def test_a_trial_that_is_stored_twice_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Study.read(folder) as study:
        twice = "SELECT 7 AS id UNION ALL SELECT 7"
        monkeypatch.setattr(study, "_connection", _Answering(study._connection, twice))
        with pytest.raises(StudyError, match="a trial is stored twice"):
            study.stored_ids()


class _Answering:
    """A connection that answers one question with other rows, as pages that occur twice in a file would."""

    def __init__(self, connection: sqlite3.Connection, answer: str) -> None:
        self._connection, self._answer = connection, answer

    def execute(self, statement: str, *parameters: Any) -> Any:
        asked = self._answer if statement == "SELECT id FROM trials ORDER BY id" else statement
        return self._connection.execute(asked, *parameters)

    def close(self) -> None:
        self._connection.close()


DOCUMENTS: list[tuple[str, str, str, Callable[[Any], object], str]] = [
    ("final", "document", "id = 1", lambda final: final.pop("words"), "the final choice, words"),
    ("final", "document", "id = 1", lambda final: final.update(candidates=[]), "the final choice"),
    ("final", "document", "id = 1", lambda final: final.update(confidence="high"), "the final choice, confidence"),
    ("final", "document", "id = 1", lambda final: final["candidates"][0].update(low=None),
     r"the final choice, candidates\[0\]"),
    ("final", "document", "id = 1", lambda final: final["kept"].update(model="../../etc/passwd"),
     "the final choice, kept, model"),
    ("final", "document", "id = 1", lambda final: final.update(words="\ud800"), "the final choice"),
    ("final", "document", "id = 1", lambda final: final.update(trials=10**400), "the final choice"),
    ("stages", "report", "number = 1", lambda report: report.pop("ranges"), "the report of stage 1, ranges"),
    ("stages", "report", "number = 1", lambda report: report.pop("stage"), "the report of stage 1, stage"),
    ("stages", "report", "number = 2", lambda report: report["recommendation"].update(words=5),
     "the report of stage 2, recommendation, words"),
    ("stages", "space", "number = 2", lambda space: space.update(learning_rate="log:1:0.1"), "stage 2"),
    ("stages", "space", "number = 2", lambda space: space.pop("depth"), "stage 2"),
    ("meta", "value", "key = 'ensemble'", lambda found: found["members"][0].pop("trial"),
     r"the ensemble, members\[0\], trial"),
    ("meta", "value", "key = 'about'", lambda about: about.update(n_samples=-1), "about, n_samples"),
    ("runs", "environment", "id = 1", lambda machine: machine.update(threads="two"), "run 1, threads"),
    ("test_uses", "document", "id = 1", lambda use: use.update(of=["x"]), "the uses of the test set, of"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "column", "where", "alter", "place"), DOCUMENTS)
def test_a_damaged_document_is_named_and_the_trials_can_be_read(
    folder: Path, table: str, column: str, where: str, alter: Callable[[Any], object], place: str
) -> None:
    change_json(folder, table, column, where, alter)
    with Study.read(folder) as study:
        assert len(list(study.iter_trials(curves=True))) == 24
        with pytest.raises(StudyError, match=DAMAGED.format(place)):
            _ = [study.final(), study.stages(), study.ensemble(), study.about, study.runs(), study.test_uses()]
    done = CliRunner().invoke(cli, ["studies", "show", str(folder)])
    assert done.exit_code == 1 and done.stderr.count("\n") == 1 and "the file is damaged" in done.stderr


NO_SETTINGS = [
    *("", "{", "[]", "5", '{"metric":"speed"}', '{"seed":1e999}', '{"folds":-1}', '{"space":{"colour":"int:1:2"}}'),
    *(
        '{"space":{"learning_rate":"log:1:0"}}',
        '{"train":[]}',
        '{"train":{"epochs":"six"}}',
        '{"train":{"seed":{}}}',
        '{"Ellipsis":{}}',
        '{"":{}}',
    ),
]


@pytest.mark.parametrize("text", NO_SETTINGS)
def test_settings_that_no_search_has_are_named(folder: Path, text: str) -> None:
    set_settings(folder, text)
    with Study.read(folder) as study:
        for ask in (lambda: study.settings, lambda: study.metric, study.best, study.stages, study.param_types):
            with pytest.raises(StudyError, match=DAMAGED.format("settings.*")):
                ask()


def test_settings_without_their_hash_are_named_and_the_study_is_not_carried_on(folder: Path) -> None:
    with Study.read(folder) as study:
        settings = study.settings
    change(folder, "UPDATE meta SET value = replace(value, '\"seed\":0', '\"seed\":1') WHERE key = 'settings'")
    with pytest.raises(StudyError, match=DAMAGED.format("settings")):
        Study.open(folder, settings)


@pytest.mark.parametrize("key", ["settings", "settings_sha256", "about", "created"])
@pytest.mark.parametrize("value", [None, b"\xff\xfe"])
def test_what_every_study_has_is_missed(folder: Path, key: str, value: Any) -> None:
    if value is None:
        change(folder, "DELETE FROM meta WHERE key = ?", key)
    else:
        change(folder, "UPDATE meta SET value = ? WHERE key = ?", value, key)
    with Study.read(folder) as study, pytest.raises(StudyError, match=DAMAGED.format("(settings|about|created)")):
        _ = [study.settings, study.about, study.created, study.settings_sha256]


def test_bytes_that_are_not_text_are_damage(folder: Path) -> None:
    change(folder, "UPDATE trials SET params = CAST(x'7bff7d' AS TEXT) WHERE id = 5")
    with Study.read(folder) as study, pytest.raises(StudyError, match=DAMAGED.format("")):
        list(study.iter_trials())


@pytest.mark.parametrize(
    "statement", ["DROP TABLE trials", "ALTER TABLE runs ADD COLUMN more", "ALTER TABLE final RENAME TO finals",
                  "DROP TABLE meta"])  # fmt: skip
def test_a_table_that_is_missing_or_changed_is_named(folder: Path, statement: str) -> None:
    change(folder, statement)
    with pytest.raises(StudyError, match=DAMAGED.format(r"the table \w+")):
        Study.read(folder)
    with pytest.raises(StudyError, match=DAMAGED.format(r"the table \w+")):
        Study.open(folder, {"seed": 0})


def lead_in_circles(path: Path, levels: int = 12, cells: int = 200) -> None:
    """Put pages above the trials of a study, each of which names the next one 200 times."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trials'").fetchone()
    size = 4096
    content = bytearray(path.read_bytes())
    begin = size * (root - 1)
    child = len(content) // size + 1
    content += content[begin : begin + size]
    for level in range(levels):
        page = bytearray(size)
        page[0], page[3:5], page[8:12] = 5, struct.pack(">H", cells), struct.pack(">I", child)
        for number in range(cells):
            place = size - 5 * (number + 1)
            page[place : place + 5] = struct.pack(">IB", child, number % 127 + 1)
            page[12 + 2 * number : 14 + 2 * number] = struct.pack(">H", place)
        page[5:7] = struct.pack(">H", size - 5 * cells)
        if level < levels - 1:
            content += page
            child = len(content) // size
        else:
            content[begin : begin + size] = page
    content[28:32] = struct.pack(">I", len(content) // size)
    path.write_bytes(content)


def test_pages_that_refer_to_one_another_without_end_are_reported(sound: Path, tmp_path: Path) -> None:
    folder = make_study(tmp_path / "s", 12)
    lead_in_circles(folder / STUDY_FILE)
    with Study.read(folder) as study:
        for ask in (
            study.count,
            study.best,
            study.best_value,
            lambda: study.count("done"),
            lambda: [*study.iter_trials()],
        ):
            with pytest.raises(StudyError, match="the file is damaged"):
                ask()
        assert study.trial(3).id == 3 and study.final() is not None


def test_a_damaged_list_of_tables_is_reported(folder: Path) -> None:
    content = bytearray((folder / STUDY_FILE).read_bytes())
    place = content.index(b"CREATE TABLE runs")
    content[place + 8 : place + 14] = b"\x80" * 6
    (folder / STUDY_FILE).write_bytes(content)
    with pytest.raises(StudyError, match=DAMAGED.format("")):
        Study.read(folder)


def test_the_settings_of_a_trial_do_not_need_the_number_of_samples(folder: Path) -> None:
    change_json(folder, "meta", "value", "key = 'about'", lambda about: about.pop("n_samples"))
    done = CliRunner().invoke(cli, ["studies", "best", str(folder), "--format", "toml"])
    assert done.exit_code == 0 and 'data = "mnist5k"' in done.stdout and "samples" not in done.stdout


def test_an_index_of_the_users_own_is_not_damage(folder: Path) -> None:
    with closing(sqlite3.connect(folder / STUDY_FILE)) as connection, connection:
        connection.execute("CREATE INDEX mine ON trials (value)")
        connection.execute("CREATE TABLE notes (text)")
    with Study.read(folder) as study:
        assert study.count() == 24


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_study_is_reported_and_can_be_removed(folder: Path, share: float) -> None:
    path = folder / STUDY_FILE
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(StudyError, match=DAMAGED.format(".*")), Study.read(folder) as study:
        _ = [*study.iter_trials(curves=True), study.final(), study.stages(), study.ensemble(), study.test_uses()]
    assert remove_study(folder) == [] and not folder.exists()


@pytest.mark.parametrize("number", [10**30, 2**63, -1, 24])
def test_a_number_that_no_trial_has_is_refused(folder: Path, number: int) -> None:
    with Study.read(folder) as study:
        with pytest.raises(StudyError, match=f"no trial {number}; the study has 24 trials"):
            study.trial(number)
        assert len(study.best(10**30)) == len([t for t in study.iter_trials() if t.status != "diverged"])


def test_a_damaged_study_is_not_carried_on(folder: Path) -> None:
    with Study.read(folder) as study:
        settings = study.settings
    change(folder, "UPDATE trials SET epochs = -1 WHERE id = 5")
    with pytest.raises(StudyError, match=DAMAGED.format("trial 5")):
        Study.open(folder, settings)
    with Study.open(folder, settings, fresh=True) as study:  # the lock was given up
        assert study.count() == 0
