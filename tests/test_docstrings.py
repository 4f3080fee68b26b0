"""Every example in a docstring runs, on the installed packages rather than on the checkout."""

from __future__ import annotations

import doctest
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import pytest


def find_modules() -> Iterator[ModuleType]:
    for name in ("fastnet", "fastnet_cli"):
        package = import_module(name)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith("__main__"):
                yield import_module(found.name)


def find_examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder()
    return [test for module in find_modules() for test in finder.find(module) if test.examples]


EXAMPLES = find_examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_docstring_example_runs(example: doctest.DocTest) -> None:
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    runner.run(example, out=report.append, clear_globs=False)
    assert runner.failures == 0, "".join(report)


def test_docstring_examples_are_found() -> None:
    assert "fastnet.config.text.parse_hidden" in {example.name for example in EXAMPLES}
