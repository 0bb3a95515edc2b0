"""`docs/drivers.md`: what each of our drivers gives, from the reports of the conformance suite.

    python conformance/drivers_page.py build/conformance

takes the reports that `make conformance` left, keeps what is worth keeping in `docs/drivers.json`, and writes the page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asynctasq_conformance.installed_drivers import with_absent_ones
from asynctasq_conformance.report.files import read_reports
from asynctasq_conformance.report.rendering import facts_table

DOCS = Path(__file__).resolve().parents[1] / "docs"
DATA, PAGE = DOCS / "drivers.json", DOCS / "drivers.md"
KEPT = ("driver", "verdict", "backend", "event_loops", "traits", "only_with", "not_shown", "groups")

TEMPLATE = """# The drivers

<!-- Written by `python conformance/drivers_page.py build/conformance` after `make conformance`; edit that file. -->

Every driver keeps the whole contract: delivery at least once, leases with fenced receipts, atomic batches, delays,
priorities, dedupe keys, dead letters, results. What differs between them is below: it is what the conformance suite
found, on the backends that are named there.

{table}
`make conformance` runs the suite anew and prints this table, with every group of tests. `asynctasq-conformance run URL`
runs it on a backend of yours.

## The optional features

- **wake_ups**: an idle worker hears of new work at once. Without it workers poll.
- **transactions**: enqueue and settle on your own connection, inside your own transaction: the task is there if, and
  only if, you commit.
- **pausing**: a queue can be paused for all workers.
- **worker_reports**: workers tell of themselves, for `asynctasq workers` and the monitor.

## The guarantees

- **strict_order**: within a queue by priority, then by due time, then by enqueue order.
- **durable**: what was accepted survives a crash of the backend; the suite kills it and looks.
- **exact_stats**: the gauges of a queue are exact at one instant.
- **shared_between_processes**: workers and producers may be different processes, and, where the backend is a server,
  different machines.

Redis is `durable` with an append-only file, `appendfsync always` and `no-appendfsync-on-rewrite no`. With `everysec`,
which is its default, it answers before it writes while the disk is busy with an earlier sync: a crash can lose what it
acknowledged in its last seconds.

## Written for, not run

The code was written for these too, but no suite has run on them yet:

- MySQL 8.0.1 and newer with the driver `mysql` (run on MariaDB);
- Valkey with the driver `redis` (run on Redis);
- the setting `wait_aof` of the driver `redis`, which needs the `WAITAOF` of Redis 7.2 (run on Redis 7.0).
"""


def kept_of(documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the page is made of: nothing of it changes from run to run."""
    kept = [{name: document[name] for name in KEPT if name in document} for document in documents]
    for document in kept:
        document["groups"] = {name: {"outcome": group["outcome"]} for name, group in document["groups"].items()}
    return kept


def page_of(documents: Sequence[Mapping[str, Any]]) -> str:
    """The page."""
    return TEMPLATE.format(table=facts_table(documents))


def main(folders: Sequence[str]) -> int:
    """Write data and page from the reports below the folders."""
    documents = kept_of(with_absent_ones(read_reports(map(Path, folders))))
    DATA.write_text(json.dumps(documents, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page_of(documents), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
