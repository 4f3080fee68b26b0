"""The entry point of the `fastnet` script: Ctrl-C ends it in silence also while it imports the rest."""

from __future__ import annotations

from .interrupt import leave_in_silence


def main() -> None:
    """Run the command line."""
    leave_in_silence()
    from .main import main as run

    run()
