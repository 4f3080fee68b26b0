"""Makes `python -m fastnet_cli` the same as `fastnet`."""

from .start import main

if __name__ == "__main__":
    main()
