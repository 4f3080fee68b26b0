"""Makes `python -m fastnet` the same as `fastnet`, for launchers that start a module."""

from fastnet_cli.start import main

if __name__ == "__main__":
    main()
