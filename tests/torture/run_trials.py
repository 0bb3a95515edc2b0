"""`python tests/torture/run_trials.py --hours 2 --url URL --report FILE`: trials without end, resumable.

The report has a line for each trial; a run that is started again with the same report goes on counting.
"""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    sys.exit(import_module("tests.torture.trial_series").main())
