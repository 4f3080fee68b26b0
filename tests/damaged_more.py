"""More of what is read: tables in every form, models of tables, points, settings, and what workers exchange."""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import mutations
import numpy as np
from mutations import Reader

from fastnet.errors import FastnetError

# Tables ---------------------------------------------------------------------------------------------------------------

ROWS = 12


def _columns() -> dict[str, list[Any]]:
    return {
        "size": [round(0.7 * k - 2, 2) for k in range(ROWS)],
        "colour": [("red", "green", "blue")[k % 3] for k in range(ROWS)],
        "grade": [("low", "medium", "high")[k * k % 3] for k in range(ROWS)],
        "day": [f"2024-05-{k + 1:02}" for k in range(ROWS)],
        "weight": [None if k == 4 else k + 1 for k in range(ROWS)],
        "kind": [("yes", "no")[k % 2] for k in range(ROWS)],
    }


def _text(delimiter: str = ",", decimal: str = ".", quote: str = "", names: bool = True) -> str:
    table = _columns()
    rows = [list(table)] if names else []
    rows += [["" if cell is None else str(cell) for cell in row] for row in zip(*table.values(), strict=True)]
    rows = [[cell.replace(".", decimal) if cell.count(".") == 1 else cell for cell in row] for row in rows]
    return "".join(delimiter.join(f"{quote}{cell}{quote}" for cell in row) + "\n" for row in rows)


def csv_seeds(folder: Path) -> list[bytes]:
    """Write a table in the dialects and encodings that are recognised."""
    texts = [_text(), _text(";", ","), _text("\t"), _text("|", quote='"'), _text(names=False)]
    numbers = "".join(f"{k},{k * k % 7},{k / 3:.4f}\n" for k in range(ROWS))
    money = 'price,sold\n"$1,234.50",01/02/2024\n"$2,000",13/02/2024\n$7,n/a\n' * 3
    made = [text.encode() for text in (*texts, "a,b,kind\n" + numbers, "# made by hand\n#a,b,kind\n" + numbers, money)]
    accents = _text().replace("red", "rosé").replace("kind", "Straße")
    return [*made, accents.encode("cp1252"), accents.encode("utf-16"), accents.encode("utf-8-sig")]


def packed_seeds(folder: Path) -> list[bytes]:
    """Pack texts by every compression."""
    import bz2

    import pyarrow as pa

    texts = csv_seeds(folder)[:4]
    zstd = [pa.compress(text, codec="zstd", asbytes=True) for text in texts]
    return [*(gzip.compress(t, mtime=0) for t in texts), *(bz2.compress(t) for t in texts), *zstd]


def _arrow_tables() -> list[Any]:
    import pyarrow as pa

    table = pa.table(_columns())
    other = table.set_column(3, "day", pa.array(range(ROWS), pa.timestamp("s")))
    other = other.set_column(1, "colour", table["colour"].dictionary_encode())
    nested = table.append_column("list", pa.array([[k] for k in range(ROWS)]))
    return [table, other, nested, table.select(["size", "weight"]), table.slice(0, 0)]


def parquet_seeds(folder: Path) -> list[bytes]:
    """Write tables as Parquet."""
    from pyarrow import parquet

    made = []
    for table in _arrow_tables():
        for how in ({"compression": "none", "row_group_size": 5}, {"compression": "zstd"}, {"use_dictionary": False}):
            stream = io.BytesIO()
            parquet.write_table(table, stream, **how)
            made.append(stream.getvalue())
    return made


def arrow_seeds(folder: Path) -> list[bytes]:
    """Write tables as Arrow's files, packed and not."""
    import pyarrow as pa

    made = []
    for table in _arrow_tables():
        for packing in (None, None, "zstd", "lz4"):
            stream = io.BytesIO()
            with pa.ipc.new_file(stream, table.schema, options=pa.ipc.IpcWriteOptions(compression=packing)) as writer:
                writer.write_table(table, max_chunksize=7)
            made.append(stream.getvalue())
    return made


def table_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage a text: its bytes, its lines, or its cells."""
    content = chance.choice(seeds)
    if chance.random() < 0.4:
        return mutations.text_bytes(chance, seeds)
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-16" if wide else "latin-1")
    mark = max(",;\t|", key=text.count)
    lines = [line.split(mark) for line in text.splitlines()]
    for _ in range(chance.choice((1, 1, 2, 5))):
        row = chance.choice(lines)
        place = chance.randrange(len(row)) if row else 0
        cell = chance.choice((*CELLS, *mutations.NUMBERS, *mutations.WORDS))
        way = chance.randrange(5)
        if way == 0:
            row.insert(place, cell)
        elif way == 1:
            del row[place:]
        elif way == 2:
            for other in lines[1:]:
                other[place : place + 1] = [cell]
        else:
            row[place : place + 1] = [cell]
    made = chance.choice(("\n", "\n", "\r\n", "\r")).join(mark.join(row) for row in lines)
    coding = "utf-16" if wide else chance.choice(("latin-1", "utf-8", "utf-8", "utf-16-le"))
    return made.encode(coding, "replace")


CELLS = ("", '"', '""', '"a""b"', '"a"b', " x ", "=1+1", "-9999", "999", "1.234,5", "1,234.5", "12%", "€5",
         "31/12/2024",
         "12/31/2024",
         "2024-13-01", "9999-12-31", "0001-01-01", "May 2024", "NA", "nan", "?", "1e400", "-1e-400", "0x1F",
         "2024-05-01T00:00:00+23:59", "x" * 300, "\u200b", "\ufeff", "t", "f", "True", "<b>", "9" * 400)  # fmt: skip


def packed_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage a packed text, or pack a damaged one."""
    content = chance.choice(seeds)
    if chance.random() < 0.6 or not content.startswith(b"\x1f\x8b"):
        return mutations.any_bytes(chance, content, seeds)
    return gzip.compress(mutations.any_bytes(chance, gzip.decompress(content), [b"a,b\n1,2\n"]), 1, mtime=0)


def binary_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage the bytes of a file, more often in its description at the end."""
    content = bytearray(chance.choice(seeds))
    if chance.random() < 0.5:
        return mutations.any_bytes(chance, bytes(content), seeds)
    size = int.from_bytes(content[-8:-4], "little") if content.endswith(b"PAR1") else len(content) // 2
    for _ in range(chance.choice((1, 1, 2, 3))):
        place = max(len(content) - 8 - chance.randrange(max(size, 1) + 8), 0)
        content[place] = chance.choice((content[place] ^ 1 << chance.randrange(8), 0, 0x7F, 0x80, 0xFF))
    return bytes(content)


def read_table(path: Path, chance: random.Random) -> object:
    """Read a table as a data set, as samples of a model, or column by column."""
    from fastnet.config.reading import Reading
    from fastnet.data.readers.table import read_table as read
    from fastnet.data.tables.table import open_table

    way = chance.random()
    if way < 0.25:
        return [len(part) for part in usual_schema().batches(path)], usual_schema().check(path)
    names = open_table(path).names or ("size",)
    target = chance.choice(names)
    if way < 0.4:
        return sum(len(batch) for batch in open_table(path).batches([target]))
    rest = {name: chance.choice(names) for name in ("weights", "group", "time") if chance.random() < 0.05}
    data = read(path, Reading(target, test=chance.choice((None, "none", 0.5)), **rest))  # type: ignore[arg-type]
    return data.fingerprint(), repr(data), data._repr_html_()


@lru_cache(1)
def usual_schema() -> Any:
    """Return the schema of the sound table."""
    from fastnet.config.reading import Reading
    from fastnet.data.readers.table import read_table as read

    return read(_columns(), Reading("kind", test="none")).schema


# Models of tables and of sparse features ------------------------------------------------------------------------------


def pipeline_seeds(folder: Path) -> list[bytes]:
    """Save networks of tables, of numbers, labels and quantiles, of sparse features, and ensembles of them."""
    from fastnet.model.ensemble import Ensemble

    contents = []
    for number, model in enumerate(_models()):
        kinds = (model, Ensemble(members=(model, model), weights=(2, 1))) if number % 2 == 0 else (model,)
        for what in kinds:
            what.save(folder / "seed.safetensors")
            contents.append((folder / "seed.safetensors").read_bytes())
    return contents


def _models() -> list[Any]:
    from fastnet.config.network import NetworkSpec
    from fastnet.config.reading import Reading
    from fastnet.data.pipeline.pipeline import fit_pipeline
    from fastnet.data.pipeline.sparse import SparseScaler
    from fastnet.data.pipeline.targets import fit_targets
    from fastnet.data.readers.table import read_table as read
    from fastnet.model.classifier import Model

    def model(pipeline: Any, n_outputs: int, **more: Any) -> Any:
        sizes = (pipeline.n_inputs, 3, n_outputs)
        rng = np.random.default_rng(1)
        return Model(
            spec=NetworkSpec(n_inputs=sizes[0], n_outputs=n_outputs, hidden=(3,)),
            weights=tuple(rng.random(shape, np.float32) for shape in itertools.pairwise(sizes)),
            biases=tuple(rng.random(n, np.float32) for n in sizes[1:]),
            pipeline=pipeline,
            **more,
        )

    made = []
    for numbers in ("piecewise", "standard", "quantile", "robust"):
        data = read(_columns(), Reading("kind", test="none", numbers=numbers))
        pipeline = fit_pipeline(data, np.arange(data.n_samples))
        made.append(model(pipeline, 2, class_names=data.class_names, classes=data.classes, schema=data.schema))
    made[0] = replace(made[0], temperature=0.7, threshold=0.4)
    data = read(_columns(), Reading("size", test="none"))
    pipeline, scaler = fit_pipeline(data, np.arange(data.n_samples)), fit_targets(data.y, np.arange(data.n_samples))
    common = {"class_names": data.class_names, "schema": data.schema, "target_scaler": scaler}
    made.append(model(pipeline, 1, objective="squared-error", **common))
    levels = {"objective": "pinball", "quantiles": (0.1, 0.5, 0.9)}
    made.append(model(pipeline, 3, **common, **levels))
    made.append(model(SparseScaler(4, np.float32([1, 0.5, 2, 1])), 2, class_names=("a", "b")))
    made.append(model(SparseScaler(4), 2, class_names=("a", "b"), objective="cross-entropy"))
    return made


def read_pipeline(path: Path, chance: random.Random) -> object:
    """Load a model and predict with it, of a table, of an array or of sparse features."""
    from scipy import sparse

    from fastnet.model.ensemble import load_model

    model = load_model(path)
    answers: Any
    if model.schema is not None and chance.random() < 0.5:
        answers = model.predict(_columns())
    elif chance.random() < 0.5:
        answers = model.predict(sparse.csr_array(np.eye(2, model.n_inputs, dtype=np.float32)))
    else:
        answers = model.predict(np.ones((2, model.n_inputs), np.float32))
    if chance.random() < 0.1:
        model.save(path.with_name("again.safetensors"))
        load_model(path.with_name("again.safetensors"))
    return answers.shape, model._repr_html_(), repr(model)


# Points and settings --------------------------------------------------------------------------------------------------

SPACE = {
    "learning_rate": "log:1e-6:1e-2",
    "width": "int:4:9",
    "optimizer": "choice:sgd,adam",
    "dropout": "uniform:0:0.5",
}


def point_seeds(folder: Path) -> list[bytes]:
    """Write points as JSON, JSON lines, CSV and a journal of Optuna."""
    points = [{"learning_rate": 10.0**-k, "width": 4 + k, "optimizer": "sgd", "dropout": None} for k in range(3, 6)]
    lines = "".join(json.dumps(point) + "\n" for point in points)
    table = "learning_rate,width,optimizer\n" + "".join(f"1e-{k},{k + 1},adam\n" for k in range(3, 7))
    return [json.dumps(points).encode(), lines.encode(), table.encode(), json.dumps(points[0]).encode(), *_journals()]


def _journals() -> list[bytes]:
    with contextlib.suppress(ImportError):
        import optuna

        study = {"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]}
        kind = json.dumps(
            {"name": "FloatDistribution", "attributes": {"low": 1e-6, "high": 1e-2, "log": True, "step": None}}
        )
        trial = {"op_code": 4, "worker_id": "w", "study_id": 0, "datetime_start": "2026-01-01T00:00:00.000000"}
        value = {"op_code": 5, "worker_id": "w", "trial_id": 0, "param_name": "learning_rate",
                 "param_value_internal": 1e-3, "distribution": kind}  # fmt: skip
        ended = {"op_code": 6, "worker_id": "w", "trial_id": 0, "state": 1, "values": [0.5],
                 "datetime_complete": "2026-01-01T00:00:01.000000"}  # fmt: skip
        assert optuna
        return ["".join(json.dumps(one) + "\n" for one in (study, trial, value, ended)).encode()]
    return []


def read_points(path: Path, chance: random.Random) -> object:
    """Read points and check them against a space."""
    from fastnet.tuning.run.enqueue import read_points as read

    return _checked_points(read(path))


def parse_points(content: bytes, chance: random.Random) -> object:
    """Read the text of points."""
    from fastnet.tuning.run.enqueue import _from_csv, _from_json

    text = content.decode("utf-8", "replace")
    return _checked_points(_from_json(text, "x") if text.lstrip()[:1] in ("[", "{") else _from_csv(text, "x"))


def _checked_points(points: Any) -> object:
    from fastnet.config.searching import SearchConfig
    from fastnet.tuning.run.enqueue import checked_points

    return checked_points(SearchConfig(space=SPACE, enqueue=points), _space())


@lru_cache(1)
def _space() -> Any:
    from fastnet.tuning import Space

    return Space.parse(SPACE)


def settings_seeds(folder: Path) -> list[bytes]:
    """Write settings of a search and of a training, as TOML and JSON."""
    search = 'trials = 100\nfolds = 3\nsampler = "tpe"\npruning = "halving"\nensemble-top = 3\nensemble-folds = "5"\n'
    search += '[space]\nlearning-rate = "log:1e-6:1e-2"\nwidth = "int:4:9"\ndropout = "uniform:0:0.5"\n'
    train = (
        'hidden = "64x2"\noptimizer = "adam"\nlearning-rate = 0.01\nseed = 3\ndropout = "0,0.5"\nschedule = "cosine"\n'
    )
    both = {"epochs": 5, "activation": "gelu", "batch_size": 32, "early_stopping": 2, "space": SPACE, "stages": 2}
    return [search.encode(), train.encode(), json.dumps(both).encode()]


def read_settings(path: Path, chance: random.Random) -> object:
    """Read settings, and build configurations and a space of those that have a place there."""
    from fastnet.config.settings import read_settings as read

    return _configured(read(path))


def parse_settings(content: bytes, chance: random.Random) -> object:
    """Read the content of a file of settings."""
    from fastnet.config.settings import parse_settings as parse

    return _configured(parse(content, "x"))


def _configured(found: dict[str, Any]) -> object:
    from fastnet.config.searching import SearchConfig, as_settings
    from fastnet.config.settings import to_toml
    from fastnet.config.training import TrainConfig, train_config_from
    from fastnet.tuning import Space

    to_toml(found)
    train = train_config_from({k: v for k, v in found.items() if k in TrainConfig.__dataclass_fields__})
    own = {k: v for k, v in found.items() if k in SearchConfig.__dataclass_fields__ and k != "train"}
    config = SearchConfig(train=train, **own)
    return as_settings(config), Space.parse(config.space)


# What the process that leads a search and its workers exchange --------------------------------------------------------


def parcel_seeds(folder: Path) -> list[bytes]:
    """Pack small data of each kind."""
    return [packed_data(kind) for kind in ("array", "table", "sparse")]


def packed_data(kind: str) -> bytes:
    """Pack 12 samples and two folds."""
    from scipy import sparse

    from fastnet.config.reading import Reading
    from fastnet.config.training import TrainConfig
    from fastnet.data.dataset import as_dataset
    from fastnet.data.readers.table import read_table as read
    from fastnet.data.splitting import split
    from fastnet.tuning.run.wire import Contents, packed

    x = np.arange(24, dtype=np.float32).reshape(12, 2)
    if kind == "table":
        data = read(_columns(), Reading("kind", test="none"))
    else:
        data = as_dataset(sparse.csr_array(x) if kind == "sparse" else x, np.arange(12) % 2)
    return packed(Contents(data, (split(data.y, fraction=0.25, seed=1),), TrainConfig()))


def parcel_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage data on their way."""
    content = chance.choice(seeds)
    return content if chance.random() < 0.02 else mutations.any_bytes(chance, content, seeds)


def read_parcel(path: Path, chance: random.Random) -> object:
    """Unpack data that arrived, from memory or from a file."""
    return parse_parcel(path if chance.random() < 0.1 else path.read_bytes(), chance)


def parse_parcel(content: bytes | Path, chance: random.Random) -> object:
    """Unpack data that arrived."""
    from fastnet.tuning.run.wire import unpacked

    contents = unpacked(content)
    return contents.name, contents.dataset.n_samples


def message_seeds(folder: Path) -> list[bytes]:
    """Write replies of a worker and orders of the process that leads as JSON, from which they are built again."""
    outcome = {"positions": [0, 1, 2], "status": ["done", "stopped", "diverged"], "shape": [3, 4, 2],
               "dtype": "float32", "value": 0.5, "seconds": [0.1, 0.2, 0.3],
               "complete": True, "unfinished": []}  # fmt: skip
    one = outcome | {"positions": [3], "status": ["done"], "shape": [1, 4, 2], "seconds": [1.0]}
    reply = {"outcomes": [outcome, one], "worker": "host:1", "threads": 2, "seconds": 1.5, "cores": [2, 4]}
    held = outcome | {"unfinished": [[1, [4, 2]]]}
    return [
        json.dumps({"reply": made}).encode() for made in (reply, reply | {"outcomes": [held]}, reply | {"needs": True})
    ]


def message_bytes(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change values of a message."""
    document = json.loads(chance.choice(seeds))
    return json.dumps(mutations.some_values(chance, document)).encode()


def read_message(path: Path, chance: random.Random) -> object:
    """Let the process that leads take a reply of four trials as any other."""
    return parse_message(path.read_bytes(), chance)


def parse_message(content: bytes, chance: random.Random) -> object:
    """Take a reply."""
    from fastnet.tuning.run.wire import check_reply

    task, seen = _task(), []
    try:
        reply = _reply(json.loads(content))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeWarning, MemoryError):
        raise FastnetError("no reply can be made of this") from None
    check_reply(reply, task)
    for outcome in reply.outcomes:
        moved = outcome.moved(7)
        seen += [moved.curves[k, :, -1].tolist() for k in range(len(moved.positions))]
        seen += [task.ids[place - 7] for place in moved.positions]
        seen += [unfinished.curves[:, -1].tolist() for unfinished in moved.unfinished]
    return seen


@lru_cache(1)
def _task() -> Any:
    from fastnet.config.training import TrainConfig
    from fastnet.tuning.rules.pruning import Full
    from fastnet.tuning.run.task import Task

    configs = tuple(TrainConfig(epochs=2, seed=k) for k in range(4))
    return Task(data="d", ids=np.arange(4), configs=configs, schedule=Full(2), sizes=(4,))


def _reply(document: Any) -> Any:
    from fastnet.tuning.run.task import Outcome, Unfinished
    from fastnet.tuning.run.wire import Reply, build_here

    def array(shape: Any, value: Any = 0.5, dtype: Any = "float32") -> Any:
        known = dtype in ("float32", "float64", "int8", "U2", "object", None)
        if len(shape) > 4 or not (known and all(type(n) is int for n in shape)) or math.prod(shape) > 1e6:
            raise ValueError("too large for a test")
        return np.full(shape, value, dtype)

    made = document["reply"]
    outcomes = tuple(
        Outcome(
            positions=tuple(one["positions"]),
            status=tuple(one["status"]),
            curves=array(one["shape"], one["value"], one["dtype"]),
            seconds=np.array(one["seconds"]),
            complete=one["complete"],
            unfinished=tuple(Unfinished(place, array(shape), ()) for place, shape in one["unfinished"]),
        )
        for one in made["outcomes"]
    )
    return Reply(worker=made["worker"], build=build_here(), outcomes=outcomes, needs_data=made.get("needs", False))


MORE = {
    "csv": Reader(csv_seeds, table_bytes, read_table, "damaged.csv"),
    "packed": Reader(packed_seeds, packed_bytes, read_table, "damaged.csv.gz"),
    "parquet": Reader(parquet_seeds, binary_bytes, read_table, "damaged.parquet"),
    "arrow": Reader(arrow_seeds, binary_bytes, read_table, "damaged.arrow"),
    "pipeline": Reader(pipeline_seeds, mutations.model_bytes, read_pipeline, "damaged.safetensors"),
    "points": Reader(point_seeds, mutations.text_bytes, read_points, "damaged.points", parse_points),
    "settings": Reader(settings_seeds, mutations.text_bytes, read_settings, "damaged.toml", parse_settings),
    "parcel": Reader(parcel_seeds, parcel_bytes, read_parcel, "damaged.data", parse_parcel),
    "message": Reader(message_seeds, message_bytes, read_message, "damaged.message", parse_message),
}
