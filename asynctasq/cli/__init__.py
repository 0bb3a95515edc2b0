"""The command line. `asynctasq ...` and `python -m asynctasq ...` are the same."""
