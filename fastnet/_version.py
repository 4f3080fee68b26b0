"""Version of the distribution, read by the build and by `fastnet --version`."""

__version__ = "0.2.0"
