"""Sparse files and options that cannot be used: each is refused in one sentence, before anything is trained."""

from __future__ import annotations

import gzip
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from fastnet_cli.main import cli
from scipy import sparse

N = 40
LINES = "".join(f"{k % 2} {k % 7 + 1}:0.5 {k % 5 + 9}:{k + 1}\n" for k in range(N))
X = sparse.random_array((N, 20), density=0.2, format="csr", dtype=np.float32, random_state=1)
PARTS: dict[str, Any] = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape, "format": b"csr"}
Y = np.array(["a", "b"] * (N // 2))

TEXTS = {
    "good": LINES,
    "empty": "",
    "comments": "# a\n# b\n",
    "table": "a,b,y\n1,2,3\n",
    "word": LINES + "1 1:one\n",
    "unlabelled": LINES.replace("1 3:0.5", "3:0.5", 1),
    "label": LINES + "spam 1:1\n",
    "missing": LINES + "nan 1:1\n",
    "pair": LINES + "1 1 2\n",
    "negative": LINES + "1 -3:1\n",
    "order": LINES + "1 5:1 4:1\n",
    "twice": LINES + "1 5:1 5:1\n",
    "huge": LINES + "1 5:1e39\n",
    "far": LINES + "1 5000000000:1\n",
    "one": LINES.replace("\n1 ", "\n0 "),
    "onerow": "1 1:1\n",
    "zeros": "1 1:0\n0 2:0\n" * 20,
    "tags": "".join(f"{k % 2},{k % 3 + 2} 1:{k}\n" for k in range(N)),
    "tag": "9 1:1\n0,2 1:2\n",
    "dense": "".join(f"{k % 2} " + " ".join(f"{j}:{j + k}" for j in range(3)) + "\n" for k in range(N)),
}
ARRAYS: dict[str, dict[str, Any]] = {
    "noy": PARTS,
    "short": {**PARTS, "y": Y[:-1]},
    "object": {**PARTS, "y": np.array([{}] * N, object)},
    "nan": {**PARTS, "data": np.where(np.arange(X.nnz) == 2, np.nan, X.data), "y": Y},
    "promise": {**PARTS, "shape": [10**15, 20], "y": Y},
    "narrow": {**PARTS, "shape": [N, 5], "y": Y},
    "lost": {key: value for key, value in PARTS.items() if key != "indices"} | {"y": Y},
    "dia": {**PARTS, "format": b"dia", "y": Y},
    "falling": {**PARTS, "indptr": X.indptr[::-1], "y": Y},
    "text": {**PARTS, "data": X.data.astype(str), "y": Y},
    "same": {**PARTS, "y": np.array(["a"] * N)},
    "other": {**PARTS, "y": np.array(["a", "c"] * (N // 2))},
    "sound": {**PARTS, "y": Y},
    "array": {"x": X.toarray(), "y": Y},
}

FILES = [
    ("nowhere.svm", "nowhere.svm: no such file"),
    ("nowhere.npz", "nowhere.npz: no such file"),
    ("empty.svm", "empty.svm: no samples; each needs a line with a label and its values, such as '1 3:0.5 7:1.25'"),
    ("comments.svm", "comments.svm: no samples; each needs a line"),
    ("table.svm", "table.svm: line 1 has the label 'a': labels must be finite numbers"),
    ("word.svm", "word.svm: line 41 has '1:one', where index:value with a finite number is needed"),
    ("unlabelled.svm", "unlabelled.svm: line 10 begins with '3:0.5', where a label is needed, 0 if it is not known"),
    ("label.svm", "label.svm: line 41 has the label 'spam': labels must be finite numbers"),
    ("missing.svm", "missing.svm: line 41 has the label 'nan': labels must be finite numbers"),
    ("pair.svm", "pair.svm: line 41 has '1', where index:value with a finite number is needed"),
    ("negative.svm", "negative.svm: line 41 has the index -3: must be from 0 to 4294967295, and ascend"),
    ("order.svm", "order.svm: line 41 has the index 4: must be from 0 to 4294967295, and ascend"),
    ("twice.svm", "twice.svm: line 41 has the index 5: must be from 0 to 4294967295, and ascend"),
    ("huge.svm", "huge.svm: line 41 has '5:1e39', where index:value with a finite number is needed"),
    ("far.svm", "far.svm: line 41 has the index 5000000000: must be from 0 to 4294967295, and ascend"),
    ("one.svm", "one.svm: all 40 labels of y are '0': at least 2 classes are needed"),
    ("onerow.svm", "onerow.svm: all 1 labels of y are '1': at least 2 classes are needed"),
    ("torn.svm.gz", "torn.svm.gz: the file is truncated or damaged; write it again"),
    ("fake.svm.gz", "fake.svm.gz: the file is truncated or damaged; write it again"),
    ("fake.svm.bz2", "fake.svm.bz2: cannot be read ("),
    (
        "noy.npz",
        "noy.npz: has no targets, which the array y of the same file would hold; numpy.savez(path, data=x.data",
    ),
    ("short.npz", "short.npz: x holds 40 samples but y holds 39 labels: there must be one label per sample"),
    ("object.npz", "object.npz: holds pickled Python objects, which are never loaded"),
    ("nan.npz", "is nan: features must be finite; remove that sample or fill the value in"),
    ("promise.npz", "promise.npz: indptr has 41 values: 1,000,000,000,000,000 samples need 1,000,000,000,000,001"),
    ("narrow.npz", "must be from 0 to 4; write the file again"),
    ("lost.npz", "lost.npz: the array 'indices' of a sparse array is missing; numpy.savez(path"),
    ("dia.npz", "dia.npz: a sparse array in the format 'dia': csr, csc and coo are read; save x.tocsr()"),
    ("falling.npz", "falling.npz: indptr must rise from 0 to 160, the number of values; write the file again"),
    ("text.npz", "text.npz: data has dtype <U32: features must be numbers"),
    ("same.npz", "same.npz: all 40 labels of y are 'a': at least 2 classes are needed"),
]

OPTIONS = [
    ("good.svm", "--target y", "--target is given for good.svm, which is no table: it has its own targets, and its"),
    ("sound.npz", "--features a", "--features is given for sound.npz, which is no table: it has its own targets"),
    ("good.svm", "--drop 3", "--drop is given for good.svm, which is no table"),
    ("good.svm", "--types 3=category", "--types is given for good.svm, which is no table"),
    ("good.svm", "--weights w", "--weights is given for good.svm, which is no table"),
    ("good.svm", "--group qid", "--group is given for good.svm, which is no table"),
    ("good.svm", "--time t", "--time is given for good.svm, which is no table"),
    ("array.npz", "--test 0.2", "--test is given for array.npz, which is no table: it has its own targets"),
    ("good.svm", "--numbers piecewise", "--numbers=piecewise: good.svm is sparse; only auto and standard are possible"),
    ("good.svm", "--test 1.5", "--test=1.5: must be a share in (0, 1), a file, or 'none'"),
    ("good.svm", "--test nowhere.svm", "nowhere.svm: no such file"),
    (
        "good.svm",
        "--test array.npz",
        "array.npz: holds no sparse samples, unlike the training data; give a sparse .npz",
    ),
    ("good.svm", "--test order.svm", "order.svm: line 41 has the index 4: must be from 0"),
    ("good.svm", "--test noy.npz", "noy.npz: has no targets"),
    ("good.svm", "--test sound.npz", "the test data sound have 20 features of type float32, the training data good 14"),
    (
        "sound.npz",
        "--test other.npz",
        "the test data other: y[1] is 'c' (as 20 of 40 labels are), none of the known classes a, b",
    ),
    ("tags.svm", "--test tag.svm", "tag: the label 9 does not occur in the training data"),
    ("tags.svm", "--task classification", "tags.svm: y has shape (40, 5): one label per sample is needed"),
    ("sound.npz", "--task regression", "sound.npz: y holds values that are no numbers; choose the task classification"),
    ("sound.npz", "--task multilabel", "sound.npz: y holds values that are no numbers"),
    ("good.svm", "--validation nowhere.svm", "nowhere.svm: no such file"),
    (
        "good.svm",
        "--validation array.npz",
        "the validation data array are an array, and the training data good are not",
    ),
    ("good.svm", "--samples 99", "samples=99: good has 32 training samples; take a whole number from 1 to 32"),
    ("good.svm", "--data good.svm", "good.svm: is no table; several data must be files with the same columns"),
    ("good.svm", "--objective squared-error", "objective='squared-error'"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    for name, text in TEXTS.items():
        (folder / f"{name}.svm").write_text(text)
    for name, arrays in ARRAYS.items():
        np.savez(folder / f"{name}.npz", **arrays)
    (folder / "torn.svm.gz").write_bytes(gzip.compress(LINES.encode())[:-20])
    (folder / "fake.svm.gz").write_text(LINES)
    (folder / "fake.svm.bz2").write_text(LINES)
    return folder


def refusal(files: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """The one line that a training with these options ends with."""
    monkeypatch.chdir(files)
    monkeypatch.setattr("fastnet.training.single.Fit", lambda *_, **__: pytest.fail("it trains"))
    result = CliRunner().invoke(cli, ["train", "--epochs", "1", "--quiet", *arguments])
    assert result.exit_code == 1 and result.stdout == "", result.output
    *_, line = result.stderr.strip().splitlines()
    assert line.startswith("Error: "), result.stderr
    return line.removeprefix("Error: ")


@pytest.mark.parametrize(("file", "says"), FILES, ids=[file for file, _ in FILES])
def test_files_refused(files: Path, monkeypatch: pytest.MonkeyPatch, file: str, says: str) -> None:
    assert says in refusal(files, monkeypatch, "--data", file)


@pytest.mark.parametrize(("file", "options", "says"), OPTIONS, ids=[f"{a} {b}" for a, b, _ in OPTIONS])
def test_options_refused(files: Path, monkeypatch: pytest.MonkeyPatch, file: str, options: str, says: str) -> None:
    assert says in refusal(files, monkeypatch, "--data", file, *shlex.split(options))
