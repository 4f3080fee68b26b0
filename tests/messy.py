"""A table as people have them: everything that goes wrong in exported files, with a known truth behind it."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

TARGET = "Kündigung?"
CITIES = ("Köln", "Łódź", "São Paulo", "Zürich", "New York, NY", 'Quote"town', "line\nbreak")
KINDS = {
    "customer id": "identifier", "Land": "constant", "Umsatz": "number", "Preis €": "number", "rate %": "number",
    "age": "number", "visits": "number", "sentinel": "number", "temp": "number", "tiny": "number", "huge": "number",
    "as text": "number", "mostly zero": "number", "all missing": "constant", "Stadt": "category", "product": "category",
    "rare": "category", "code": "number", "size": "ordered", "satisfaction": "ordered", "member": "boolean",
    "flag": "boolean", "zero one": "boolean", "since": "date", "last seen": "date", "comment": "text", "e-mail": "text",
    "twin": "number", "closed on": "category", TARGET: "boolean",
}  # fmt: skip
"""What each column holds; ``closed on`` determines the target, and ``twin`` repeats ``Umsatz``."""

LEAKS = ("closed on",)
DROPPED = ("customer id", "Land", "all missing", "comment", "e-mail")


def write_messy(path: Path, rows: int = 20_000, *, seed: int = 0, later: bool = False, target: bool = True) -> Path:
    """Write the table: semicolons, decimal commas, a byte order mark, quoted line breaks, missing values of many kinds.

    With `later` it holds rows of another time: levels that the first one lacks, and values outside its ranges.
    """
    rng = np.random.default_rng(seed + (1 if later else 0))
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    names = [name for name in KINDS if target or name != TARGET]
    writer.writerow(names)
    for number in range(rows):
        row = _row(rng, number + (10**6 if later else 0), later)
        writer.writerow([row[name] for name in names])
    path.write_bytes(b"\xef\xbb\xbf" + out.getvalue().encode())
    return path


def _row(rng: np.random.Generator, number: int, later: bool) -> dict[str, str]:
    sales, age, member = rng.lognormal(3, 1), rng.normal(45, 12), rng.random() < 0.4
    mood, size = int(rng.integers(0, 5)), int(rng.integers(0, 5))
    city = "Neustadt" if later and rng.random() < 0.1 else CITIES[int(rng.integers(0, len(CITIES)))]
    logit = 0.8 * np.log(sales / 20) - 0.05 * (age - 45) - 0.9 * member - 0.5 * (mood - 2) + (city == "Köln")
    leaves = rng.random() < 1 / (1 + np.exp(-logit))
    day = datetime(2022 if not later else 2026, 1, 1) + timedelta(days=int(rng.integers(0, 900)))
    seen = day + timedelta(hours=int(rng.integers(0, 5000)))
    rare = f"r{number % 400}" if rng.random() < 0.02 else "usual"
    row = {
        "customer id": f"C-{number:08d}", "Land": "DE", "Umsatz": _comma(sales, 2),
        "Preis €": f"{_comma(sales * 3, 2)} €",
        "rate %": f"{_comma(rng.random() * 100, 1)} %", "age": _comma(age, 0), "visits": str(rng.poisson(3)),
        "sentinel": "-999" if rng.random() < 0.1 else _comma(rng.normal(), 3), "temp": _comma(rng.normal(15, 9), 1),
        "tiny": _comma(rng.random() * 1e-9, 15), "huge": f"{rng.random() * 1e15:.0f}",
        "as text": f" {_comma(rng.normal(100, 10), 1)} ", "mostly zero": "0" if rng.random() < 0.97 else "17,5",
        "all missing": "", "Stadt": city, "product": f"P{int(rng.zipf(1.5)) % 60:02d}", "rare": rare,
        "code": str(int(rng.integers(1, 10))), "size": ("XS", "S", "M", "L", "XL")[size],
        "satisfaction": ("very poor", "poor", "fair", "good", "very good")[mood], "member": "yes" if member else "no",
        "flag": "TRUE" if rng.random() < 0.5 else "FALSE", "zero one": str(int(rng.random() < 0.3)),
        "since": day.strftime("%d.%m.%Y"), "last seen": seen.strftime("%Y-%m-%d %H:%M:%S"),
        "comment": f'Nr. {number}: "gut"\nund; günstig' if number % 3 else f"{number} — schlecht",
        "twin": _comma(sales, 2), "e-mail": f"kunde{number}@example.com",
        "closed on": "never" if not leaves else f"week {number % 4}",
        TARGET: "ja" if leaves else "nein",
    }  # fmt: skip
    for name in ("age", "Umsatz", "Stadt", "satisfaction", "since", "visits"):
        if rng.random() < 0.05:
            row[name] = ("", "NA", "?", "-", "null", "n/a")[int(rng.integers(0, 6))]
    return row


def _comma(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace(".", ",")
