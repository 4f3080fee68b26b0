"""Makes `python -m fastnet_cli` the same as `fastnet`."""

from .main import main

if __name__ == "__main__":
    main()
