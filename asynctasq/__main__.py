"""`python -m asynctasq` is the same as `asynctasq`."""

from asynctasq.cli.main import main

if __name__ == "__main__":
    main()
