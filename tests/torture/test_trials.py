"""Torture trials, scaled for every test run. `tests/torture/run_trials.py` runs them for hours."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.torture.plans import PLANS
from tests.torture.trial import fresh_seed, run_trial

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize("plan", [plan.name for plan in PLANS.values() if not plan.networked])
async def test_trial(plan: str, torture_url: str, tmp_path: Path) -> None:
    """Whatever is done to the workers, no rule C1 to C11 is broken, and every fault of the plan has fired."""
    drivers = PLANS[plan].drivers
    if drivers and torture_url.partition(":")[0] not in drivers:
        pytest.skip(f"a trial of {', '.join(drivers)}")
    report = await run_trial(PLANS[plan], seed=fresh_seed(), url=torture_url, folder=tmp_path)
    assert report.passed, f"\n{report}\nAgain: TORTURE_SEED={report.seed} (files: {tmp_path})"
    if torture_url.startswith("sqlite:"):
        with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
