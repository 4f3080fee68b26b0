#!/usr/bin/env bash
# The checks of this project, for people and for CI. Needs the extra `test`: python3 -m pip install -e '.[test]'
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
usage: ./check.sh VERB

  format   rewrite the code in the project's layout
  lint     ruff: rules and layout
  types    mypy, strict, on the library and the command line
  layers   import-linter: no module imports what is above it
  test     pytest, on the installed project
  one      pytest -m core on one core: threads that share it must give the same bits
  oldest   pytest in a fresh environment, with the oldest versions that pyproject.toml allows
  newest   pytest in a fresh environment, with the newest
  coverage  pytest under coverage.py, which it takes twice as long with; arguments go to pytest
  docs     docs/cli.md agrees with --help, the figures of README.md and docs/performance.md with
           profiles/results (docs-write writes them)
  site     mkdocs: the pages of docs/ build as a site without a warning (needs the extra `docs`)
  wheel    the built wheel holds fastnet and fastnet_cli and nothing else
  all      lint, types, layers, docs, wheel and test

Arguments after test, one, oldest, newest and coverage go to pytest.
TEXT
}

format() { ruff format . && ruff check --fix .; }
lint() { ruff check . && ruff format --check .; }
types() { mypy --strict fastnet cli; }
layers() { lint-imports; }
test() { pytest "$@"; }
one() {
    if command -v taskset >/dev/null; then
        taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" pytest -m core "$@" # the first core of those allowed
    else
        echo "no taskset here, so nothing binds the tests to one core" >&2
    fi
}
oldest() { python scripts/environments.py oldest "$@"; }
newest() { python scripts/environments.py newest "$@"; }
# Needs coverage >= 7.10, which measures the processes that tests start: python3 -m pip install coverage
coverage() {
    command coverage erase
    command coverage run "$(command -v pytest)" "$@" || failed=yes
    command coverage combine --quiet && command coverage report
    [ -z "${failed:-}" ]
}
docs() { python scripts/build_cli_docs.py --check && python profiles/readme.py --check; }
site() { NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet && echo "build/site: $(find build/site -name '*.html' | wc -l) pages"; }
docs_write() { python scripts/build_cli_docs.py && python profiles/readme.py; }

# Built from a copy, because setuptools would also pack what an earlier build left in ./build.
wheel() (
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    mkdir "$folder/source"
    cp -R fastnet cli pyproject.toml README.md LICENSE "$folder/source"
    python -m pip wheel --quiet --no-deps --wheel-dir "$folder" "$folder/source"
    python - "$folder"/*.whl <<'PY'
import sys, zipfile
from pathlib import Path

wheel = Path(sys.argv[1])
names = zipfile.ZipFile(wheel).namelist()
top = {name.split("/")[0] for name in names}
expected = {"fastnet", "fastnet_cli"}
extra = {name for name in top - expected if not name.endswith(".dist-info")}
if extra or not expected <= top:
    sys.exit(f"{wheel.name}: the top level is {sorted(top)}, not {sorted(expected)}")
print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size / 1e6:.2f} MB")
PY
)

all() {
    lint
    types
    layers
    docs
    wheel
    test
}

case "${1:-}" in
format | lint | types | layers | docs | site | wheel | all) "$1" ;;
test | one | oldest | newest | coverage) "$@" ;;
docs-write) docs_write ;;
*)
    usage
    exit 2
    ;;
esac
