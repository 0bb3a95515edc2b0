"""Many trials, one after the other, and the account of them."""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import msgspec

from asynctasq import DriverFactory
from tests.torture.conftest import DEFAULT_URL
from tests.torture.plans import PLANS
from tests.torture.trial import Report, all_records, fresh_seed, run_trial
from tests.torture.worker_mutants import MUTANTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until the time is over; 1 if any trial of the report has failed."""
    parser = argparse.ArgumentParser(description="Torture trials on one store, for hours.")
    parser.add_argument("--url", default=DEFAULT_URL, help="the store; {folder} is a trial's own folder")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--trials", type=int, help="end after so many")
    parser.add_argument("--plan", action="append", choices=list(PLANS), help="default: all, in turn")
    parser.add_argument("--seed", type=int, help="the first trial's seed; the others follow from it")
    parser.add_argument("--report", type=Path, default=Path("torture.jsonl"))
    parser.add_argument(
        "--mutants", nargs="*", metavar="MUTANT", choices=list(MUTANTS), help="show instead that each one is found"
    )
    options = parser.parse_args(arguments)
    if options.mutants is not None:
        return run_mutants(options.url, options.mutants or list(MUTANTS))
    reports = read_reports(options.report)
    seeds = random.Random(options.seed)
    seed = seeds.randrange(1_000_000) if options.seed is None else options.seed
    until = time.monotonic() + options.hours * 3600
    driver = options.url.partition(":")[0]
    plans = options.plan or [plan.name for plan in PLANS.values() if not plan.drivers or driver in plan.drivers]
    for ran, plan in enumerate(_in_turn(plans, len(reports))):
        if time.monotonic() > until or ran == options.trials:
            break
        report = run_one(plan, seed, options.url)
        reports.append(report)
        with options.report.open("ab") as file:
            file.write(msgspec.json.encode(report) + b"\n")
        seed = seeds.randrange(1_000_000)
    print(account(reports))
    return int(not all(report.passed for report in reports))


def run_mutants(url: str, mutants: Sequence[str]) -> int:
    """Some trials for each mutant; 1 if any passes them all."""
    survivors = [name for name in mutants if not _is_found(name, url)]
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants are found; not: {', '.join(survivors) or 'none'}")
    return int(bool(survivors))


def _is_found(name: str, url: str) -> bool:
    """A mistake that needs a moment's chance gets three."""
    return any(not run_one(MUTANTS[name].plan, fresh_seed(), url, mutant=name).passed for _ in range(3))


def run_one(plan: str, seed: int, url: str, *, mutant: str | None = None) -> Report:
    """One trial in a folder of its own, which stays if the trial fails."""
    folder = Path(tempfile.mkdtemp(prefix=f"torture-{plan}-{seed}-"))
    place = url.format(folder=folder)
    anyio.run(_empty, place)
    report = anyio.run(lambda: run_trial(PLANS[plan], seed=seed, url=place, folder=folder, mutant=mutant))
    if report.passed or mutant is not None:
        shutil.rmtree(folder)
    else:
        print(f"the files of this trial are in {folder}")
    return report


async def _empty(url: str) -> None:
    """A store that several trials share has the records of the last one; they would be phantoms."""
    driver = DriverFactory.create(url)
    await driver.prepare_storage()
    async with driver:
        ended = [record.id for record in await all_records(driver)]
        for first in range(0, len(ended), 1000):
            await driver.delete_many(ended[first : first + 1000])


def read_reports(path: Path) -> list[Report]:
    """Those of earlier runs; a line that was cut off is left out."""
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=Report) for line in path.read_bytes().split(b"\n")[:-1]]


def account(reports: Sequence[Report]) -> str:
    """Trials, kills, tasks and violations per driver."""
    lines: list[str] = []
    for driver in sorted({report.url.partition(":")[0] for report in reports}):
        own = [report for report in reports if report.url.startswith(f"{driver}:")]
        fired = sum(sum(report.fired.values()) for report in own)
        failed = sum(not report.passed for report in own)
        bound = f"; the rate is below {3 / len(own):.2g} (95 %)" if not failed else ""
        lines.append(
            f"{driver}: {len(own)} trials, {fired} faults, {sum(report.restarts for report in own)} restarts, "
            f"{sum(report.tasks for report in own)} tasks, {sum(len(report.violations) for report in own)} violations, "
            f"{failed} trials failed{bound}"
        )
    return "\n".join(lines)


def _in_turn(plans: Sequence[str], first: int) -> Iterator[str]:
    while True:
        yield plans[first % len(plans)]
        first += 1
