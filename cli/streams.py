"""Standard input, output and error, which may be closed, full, or a pipe whose reader has left.

Their failures must not cost an hour of training. So the first failure of a stream is noted, later writes are discarded,
and at the end of the command the failure becomes the exit code. Commands that only print call `output_is_the_result`,
and fail at once.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

import click

from fastnet.errors import FastnetError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

FAILED = 1


class Sink(io.RawIOBase):
    """The bytes of a standard stream, or of a closed one, whose `raw` is None; errors contain its name."""

    def __init__(self, raw: io.RawIOBase | None, name: str) -> None:
        self.raw = raw
        self.name = name
        self.failure: OSError | None = None
        self.strict = False

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self.raw is not None and self.raw.isatty()

    def fileno(self) -> int:
        if self.raw is None:
            raise io.UnsupportedOperation(f"{self.name} is closed")
        return self.raw.fileno()

    def write(self, data: ReadableBuffer, /) -> int:
        size = memoryview(data).nbytes
        if self.raw is None or self.failure is not None:
            return size
        try:
            return _write(self.raw, data)
        except OSError as error:
            self.failure = OSError(error.errno, error.strerror, self.name)
            if self.strict:
                raise self.failure from error
            return size


def _write(raw: io.RawIOBase, data: ReadableBuffer) -> int:
    """Write some of the bytes; wait for the reader of a non-blocking stream."""
    while (written := raw.write(data)) is None:
        select.select([], [raw], [])
    return written


_output: Sink | None = None


def prepare() -> None:
    """Replace standard output and error by streams that outlive their failures."""
    global _output
    _occupy_closed()
    sys.stdout, _output = _lasting(sys.stdout, "standard output")
    sys.stderr, _ = _lasting(sys.stderr, "standard error")


def _occupy_closed() -> None:
    """Occupy the numbers of closed streams: otherwise messages of libraries could end up in a study or model."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number, which is this one


def _lasting(stream: TextIO | None, name: str) -> tuple[TextIO, Sink | None]:
    if stream is not None and not isinstance(stream, io.TextIOWrapper):
        return stream, None  # somebody has replaced it on purpose
    raw = None if stream is None else getattr(stream.buffer, "raw", stream.buffer)
    sink = Sink(cast("io.RawIOBase | None", raw), name)
    lasting = io.TextIOWrapper(
        io.BufferedWriter(sink),
        encoding="utf-8" if stream is None else stream.encoding,
        errors="backslashreplace",  # a name that the terminal cannot show must not cause a failure
        line_buffering=stream is None or stream.line_buffering or stream.write_through,
    )
    return lasting, sink


def output_is_the_result() -> None:
    """Make this command, which only prints, fail as soon as output fails; raise `FastnetError` if it is closed."""
    if _output is None:
        return
    if _output.raw is None:
        raise FastnetError("standard output is closed, and this command only prints: redirect it to a file")
    _output.strict = True


def result_stream() -> BinaryIO:
    """Return standard output for bytes, for a command that only prints."""
    output_is_the_result()
    return sys.stdout.buffer


def input_bytes(limit: int) -> bytes:
    """Return at most `limit` bytes of standard input; raise `FastnetError` if it cannot be read."""
    try:
        if sys.stdin is not None:
            return sys.stdin.buffer.read(limit)
        reason = "it is closed"
    except OSError as error:
        reason = error.strerror or str(error)
    raise FastnetError(f"standard input cannot be read ({reason}); give the name of a file instead of -")


def finish(code: int) -> int:
    """Flush the buffers; return the exit code, which is `FAILED` if output was lost."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    lost = None if _output is None else _output.failure
    if lost is None or code:
        return code
    if lost.errno != errno.EPIPE:  # otherwise the reader has left, and knows
        click.echo(f"Error: {lost.filename}: {lost.strerror}; printed output was lost, files are complete", err=True)
    return FAILED
