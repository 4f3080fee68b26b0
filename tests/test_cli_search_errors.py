"""Wrong spaces, files and flags of a search: a sentence and an exit code for each, and nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli

pytestmark = pytest.mark.usefixtures("empty_folder")

USAGE, FAILURE = 2, 1

SPACES = [
    ("learning_rate", "write NAME=RANGE, such as learning_rate=log:1e-6:1e-2"),
    ("=log:1:2", "write NAME=RANGE"),
    ("lr=log:1:2", "space 'lr': only learning_rate, weight_decay"),
    ("learning-rat=log:1:2", "can be searched; did you mean learning_rate?"),
    ("epochs=int:1:9", "space 'epochs': only"),
    ("dropout_0=uniform:0:0.5", "space 'dropout_0': only"),
    ("learning_rate=0.01", "write a range as log:LO:HI, uniform:LO:HI, int:LO:HI, logint:LO:HI or choice:A,B,..."),
    ("learning_rate=normal:0:1", "write a range as"),
    ("learning_rate=log:1e-6", "a range of the form log has two ends, written log:LO:HI"),
    ("learning_rate=log:0:1", "must be greater than 0 on a log scale; or use uniform"),
    ("learning_rate=log:1:0.1", "the lower end 1 is above the upper end 0.1; swap them"),
    ("learning_rate=log:1:1", "both ends are 1; write choice:1 for one fixed value"),
    ("learning_rate=log:a:1", "'a' is not a number"),
    ("learning_rate=log:1e-6:inf", "inf is not a finite number"),
    ("learning_rate=uniform:0:1", "its value 0 must be greater than 0"),
    ("dropout=uniform:0:1", "its value 1 must be in [0, 1)"),
    ("dropout=choice:0,20", "its value 20 must be in [0, 1). Did you mean 0.2?"),
    ("dropout=choice:0,0.5,0", "the value 0 is listed more than once"),
    ("dropout=choice:", "'' is not a number"),
    ("hidden=log:10:100", "hidden is not a number; write choice:A,B,..."),
    ("hidden=choice:100x6,", "a value of the choice is empty"),
    ("hidden=choice:wide", "its value wide: write widths such as 100x6"),
    ("hidden=choice:64x2,64-64", "the value 64x2 is listed more than once"),
    ("batch_size=log:10:100", "batch_size is a whole number; write int:LO:HI or logint:LO:HI"),
    ("batch_size=int:0:10", "its value 0 must be a whole number from 1"),
    ("batch_size=choice:1.5", "'1.5' is not a whole number; write digits alone"),
    ("width=logint:0:64", "the lower end 0 must be at least 1 on a log scale; or use int"),
    ("width=int:1:9999999999", "the end 9999999999 is out of range"),
    ("depth=int:1:2000", "its value 2000 must be a whole number from 1 to 1000"),
    ("optimizer=choice:sgd,adm", "its value adm must be one of sgd, momentum"),
    ("init=uniform:0:1", "init is not a number; write choice:A,B,..."),
    ("momentum=uniform:0:0.9", "optimizer='sgd' does not use it; choose optimizer momentum"),
    ("beta1=uniform:0:0.9", "choose optimizer adam or adamw, or leave beta1 out of the space"),
    ("dropout_7=uniform:0:0.5", "no network has more than 6 hidden layers; leave it out"),
]

FLAGS = [
    ("--stages 0", FAILURE, "stages=0: must be a whole number from 1 to 100"),
    ("--stages 9 --trials 8", FAILURE, "stages=9: 8 trials cannot be shared among them; choose fewer"),
    ("--stages many", USAGE, "'many' is not a valid integer"),
    ("--eta 1", FAILURE, "eta=1: must be a whole number from 2 to 100"),
    ("--first-epochs 0", FAILURE, "first_epochs=0: must be a whole number from 1"),
    ("--pack-size 1", FAILURE, "pack_size=1: must be a whole number from 2"),
    ("--pruning hyperband", USAGE, "'hyperband' is not one of 'none', 'halving', 'median'"),
    ("--metric f1", USAGE, "'f1' is not one of 'auto', 'accuracy', 'loss'"),
    ("--cv 1", FAILURE, "--cv=1: must be a whole number from 2 to 100"),
    ("--final x", USAGE, "'x' is neither a number of candidates from 1 to 1000 nor 'none'"),
    ("--final 0", USAGE, "'0' is neither a number of candidates from 1 to 1000 nor 'none'"),
    ("--repeats 0", FAILURE, "repeats=0: must be a whole number from 1 to 1000"),
    ("--sampler foo", USAGE, "'foo' is not one of 'random', 'sobol', 'grid', 'tpe'"),
    ("--sampler optuna:", USAGE, "sampler='optuna:': must be one of random, sobol, grid, tpe, or optuna:NAME"),
    ("--sampler given:TPESampler", USAGE, "'given:TPESampler' is not one of 'random'"),
    ("--sampler optuna:TPESampler --stages 2", FAILURE, "the ranges of sampler='optuna:TPESampler' are not narrowed"),
    ("--enqueue nowhere.csv", FAILURE, "enqueue: nowhere.csv: No such file or directory; give a file"),
    ("--enqueue .", FAILURE, "no study found (no file study.sqlite)"),
    ('--enqueue [{},{"momentum":0.9}]', FAILURE, "enqueue, point 2: momentum is not searched"),
    ('--enqueue {"learning_rate":1}', FAILURE, "enqueue, point 1: learning_rate=1 is not in log:1e-06:0.01"),
    ("--enqueue {} --sampler grid", FAILURE, "enqueue: a grid has points of its own"),
    ("--sampler grid --levels 1", FAILURE, "levels=1: must be a whole number from 2"),
    (
        "--sampler grid --levels 3",
        FAILURE,
        "trials=100: the grid has 9 points; choose fewer trials, more levels",
    ),
    ("--sampler grid --stages 2", FAILURE, "stages=2: a grid is not narrowed; choose 1, or another sampler"),
    ("--expand=yes", USAGE, "Option '--expand' does not take a value"),
    ("--space width=int:8:9 --space hidden=choice:8,9", FAILURE, "width is searched but is a part of hidden"),
    ("--space depth=int:1:2 --hidden 8,9", FAILURE, "hidden=8,9 does not say how wide a layer is"),
    ("--space dropout=choice:0,0.5 --space hidden=choice:none", FAILURE, "the network has no hidden layer"),
    ("--config nowhere.toml", FAILURE, "nowhere.toml: No such file or directory"),
    ("--config .", FAILURE, ".: Is a directory"),
]

FILES = [
    (b"trials = ", "s.toml: cannot be read as TOML, such as trials = 100: Invalid value"),
    (b"trials = 1\ntrials = 2", "s.toml: cannot be read as TOML"),
    (b'{"trials": 1', "s.toml: cannot be read as one JSON object"),
    (b"\xff\xfe\x00", "s.toml: not UTF-8 text; settings are TOML or one JSON object"),
    (b"trails = 100", "s.toml: unknown option trails of fastnet search; did you mean trials?"),
    (b"early_stopping = 0", "early_stopping=0: must be a whole number from 1"),
    (b"width = 64", "s.toml: unknown option width of fastnet search"),
    (b"[train]\nepochs = 3", "s.toml: unknown table [train] of fastnet search"),
    (b"fresh = true", "s.toml: --fresh can be given on the command line only"),
    (b'config = "other.toml"', "s.toml: --config can be given on the command line only"),
    (b'trials = "many"', 's.toml: trials = "many": must be a whole number'),
    (b"trials = 1.5", "s.toml: trials = 1.5: must be a whole number"),
    (b"trials = true", "s.toml: trials = true: must be a whole number"),
    (b"trials = [1, 2]", "s.toml: trials = [1, 2]: must be a whole number"),
    (b"trials = 0", "trials=0: must be a whole number from 1"),
    (b'batch-size = 1\nbatch_size = 2', "s.toml: batch_size is given twice; give it once"),
    (b'learning_rate = "fast"', 's.toml: learning_rate = "fast": must be a number'),
    (b"learning_rate = -1", "learning_rate=-1.0: must be greater than 0"),
    (b"expand = 1", "s.toml: expand = 1: must be true or false"),
    (b"optimizer = 1", "s.toml: optimizer = 1: must be a quoted string"),
    (b'optimizer = "adm"', "s.toml: optimizer = \"adm\": 'adm' is not one of 'sgd', 'momentum'"),
    (b"samples = 0", "s.toml: samples = 0: '0' is neither a number of samples from 1 to 2147483647 nor 'all'"),
    (b'final = "all"', "s.toml: final = \"all\": 'all' is neither a number of candidates"),
    (b"space = 1", "s.toml: space must be a table: [space], then lines such as"),
    (b"[space]\nlearning_rate = 0.1", "s.toml: [space] learning_rate = 0.1: a range is a string such as"),
    (b'[space]\nlearning_rat = "log:1:2"', "can be searched; did you mean learning_rate?"),
    (b'[space]\nlearning_rate = "log:2:1"', "s.toml: learning_rate=log:2:1: the lower end 2 is above the upper end 1"),
    (b"seed = 1\n[space]\nseed = 'int:1:9'", "s.toml: space 'seed': only learning_rate, weight_decay"),
    (b"dropout = 0.1\n[space]\ndropout = 'choice:0,0.5'", "dropout has a fixed value and a range under [space]"),
    (b"dropout = '0,0.5'", "dropout=0,0.5: the network has 6 hidden layers"),
]  # fmt: skip

TRIALS = [
    (b"trials = 3", "s.toml: unknown option trials of fastnet train"),
    (
        b'[space]\ndropout = "uniform:0:0.5"',
        "s.toml: [space] is only for fastnet search; fastnet train takes",
    ),
    (b"overwrite = true", "s.toml: --overwrite can be given on the command line only"),
    (b"epoch = 3", "s.toml: unknown option epoch of fastnet train; did you mean epochs?"),
    (b"width = 0", "s.toml: width = 0: must be a whole number from 1 to 65536"),
    (b'depth = "deep"', 's.toml: depth = "deep": must be a whole number from 1 to 1000'),
    (b'hidden = "wide"', "hidden='wide': write widths such as 100x6"),
]


def check_sentence(arguments: list[str], code: int, message: str, env: dict[str, str] | None = None) -> None:
    before = sorted(Path().rglob("*"))
    result = CliRunner().invoke(cli, arguments, env=env)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    lines = result.stderr.splitlines()
    assert result.stdout == "" and message in lines[-1] and lines[-1].startswith("Error: ")
    assert code == USAGE or len(lines) == 1
    assert [path for path in sorted(Path().rglob("*")) if path != Path("studies")] == before


@pytest.mark.parametrize(("option", "message"), SPACES, ids=[row[0] for row in SPACES])
def test_wrong_spaces(option: str, message: str) -> None:
    check_sentence(["search", "--space", option], FAILURE, message)


@pytest.mark.parametrize(("options", "code", "message"), FLAGS, ids=[row[0] for row in FLAGS])
def test_wrong_flags(options: str, code: int, message: str) -> None:
    check_sentence(["search", *options.split()], code, message)


@pytest.mark.parametrize(("content", "message"), FILES, ids=[row[1] for row in FILES])
def test_wrong_files(content: bytes, message: str) -> None:
    Path("s.toml").write_bytes(content)
    check_sentence(["search", "--config", "s.toml"], FAILURE, message)


@pytest.mark.parametrize(("content", "message"), TRIALS, ids=[row[1] for row in TRIALS])
def test_wrong_files_of_a_training(content: bytes, message: str) -> None:
    Path("s.toml").write_bytes(content)
    check_sentence(["train", "--config", "s.toml"], FAILURE, message)


@pytest.mark.parametrize(
    ("env", "code", "message"),
    [
        ({"TRIALS": "many"}, USAGE, "'many' is not a valid integer"),
        ({"TRIALS": "0"}, FAILURE, "trials=0"),
        ({"SAMPLER": "foo"}, USAGE, "'foo' is not one of"),
        ({"SPACE": "learning_rate"}, FAILURE, "write NAME=RANGE"),
        ({"CONFIG": "nowhere.toml"}, FAILURE, "nowhere.toml: No such file or directory"),
        (
            {"SPACE": "dropout=uniform:0:0.5", "DROPOUT": "0.5"},
            FAILURE,
            "the environment variable for --dropout fixes dropout; remove one of them",
        ),
    ],
)
def test_wrong_environment(env: dict[str, str], code: int, message: str) -> None:
    check_sentence(["search"], code, message, {f"FASTNET_SEARCH_{name}": value for name, value in env.items()})
