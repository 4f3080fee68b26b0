"""Standard input, output and error, which may be closed, full, or a pipe whose reader has left.

What goes wrong with them must not cost a training of an hour. So a stream that fails is noted and takes what is written
afterwards without a word; at the end of the command the failure becomes the exit code. Commands that do nothing but
print say so by `output_is_the_result`, and end at once.
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
    """The bytes of a standard stream: as it was given, or none where it was closed.

    Parameters
    ----------
    raw : RawIOBase or None
        What takes the bytes.
    name : str
        What errors call it.
    """

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
    """Write some of the bytes; where the other end made the stream not wait for its reader, wait here."""
    while (written := raw.write(data)) is None:
        select.select([], [raw], [])
    return written


_output: Sink | None = None


def prepare() -> None:
    """Replace standard output and error by streams that last as long as the command, whatever becomes of them."""
    global _output
    _occupy_closed()
    sys.stdout, _output = _lasting(sys.stdout, "standard output")
    sys.stderr, _ = _lasting(sys.stderr, "standard error")


def _occupy_closed() -> None:
    """Open nothing at the numbers of closed streams: a study or model there would get what libraries print."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number, which is this one


def _lasting(stream: TextIO | None, name: str) -> tuple[TextIO, Sink | None]:
    if stream is not None and not isinstance(stream, io.TextIOWrapper):
        return stream, None  # replaced by somebody who knows better
    raw = None if stream is None else getattr(stream.buffer, "raw", stream.buffer)
    sink = Sink(cast("io.RawIOBase | None", raw), name)
    lasting = io.TextIOWrapper(
        io.BufferedWriter(sink),
        encoding="utf-8" if stream is None else stream.encoding,
        errors="backslashreplace",  # a name that the terminal cannot show is no reason to fail
        line_buffering=stream is None or stream.line_buffering or stream.write_through,
    )
    return lasting, sink


def output_is_the_result() -> None:
    """To be called by a command whose only result is what it prints: it ends at once where nobody can get that.

    Raises
    ------
    FastnetError
        If standard output is closed.
    """
    if _output is None:
        return
    if _output.raw is None:
        raise FastnetError("standard output is closed, and this command does nothing but print: redirect it to a file")
    _output.strict = True


def result_stream() -> BinaryIO:
    """Standard output for bytes, to a command whose only result they are."""
    output_is_the_result()
    return sys.stdout.buffer


def input_bytes(limit: int) -> bytes:
    """At most the given number of bytes of standard input.

    Raises
    ------
    FastnetError
        If it is closed or cannot be read.
    """
    try:
        if sys.stdin is not None:
            return sys.stdin.buffer.read(limit)
        reason = "it is closed"
    except OSError as error:
        reason = error.strerror or str(error)
    raise FastnetError(f"standard input cannot be read ({reason}); give the name of a file instead of -")


def finish(code: int) -> int:
    """Print what is still in the buffers; return the exit code, which is `FAILED` where output was lost unnoticed."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    lost = None if _output is None else _output.failure
    if lost is None or code:
        return code
    if lost.errno != errno.EPIPE:  # whoever read our output has left, and knows
        text = f"{lost.filename}: {lost.strerror}; part of what was printed is lost, files are complete"
        click.echo(f"Error: {text}", err=True)
    return FAILED
