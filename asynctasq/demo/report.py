"""What the demonstration prints at the end."""

from collections.abc import Iterator

from msgspec import Struct

from asynctasq.demo.findings import Findings

SHOWN_DEAD = 12
SHOWN_DIFFERENCES = 10


class Run(Struct, frozen=True, kw_only=True):
    """How the run went, as far as the store does not know."""

    seconds: float
    tasks: int
    """Every task that ended, folders included."""
    killed: str | None
    """The worker that was killed; None when nothing was."""
    added: int
    """Broken files that the demonstration added itself."""


def verdict(findings: Findings, run: Run | None) -> int:
    """The exit code: 0 only for exactly once, and, after a kill, with at least one lapsed lease recovered."""
    killed = run is not None and run.killed is not None
    return 0 if findings.exactly_once and (findings.recovered or not killed) else 1


def lines(findings: Findings, run: Run | None) -> Iterator[str]:
    """The report, line by line."""
    yield f"files:             {findings.files:,}"
    yield f"identifiers:       {findings.identifiers:,}"
    if run is not None:
        yield f"tasks per second:  {run.tasks / run.seconds:,.0f} ({run.tasks:,} tasks in {run.seconds:.1f} s)"
    yield f"retries:           {findings.retries:,}"
    yield f"runs of files:     {findings.runs:,} for {findings.files:,} files"
    if run is not None and run.killed is not None:
        yield f"killed:            {run.killed} (SIGKILL)"
    yield f"leases recovered:  {findings.recovered:,}"
    added = f", {run.added} of them added by this demonstration" if run is not None and run.added else ""
    yield f"dead letters:      {len(findings.dead):,}{added}"
    for path, error in sorted(findings.dead.items())[:SHOWN_DEAD]:
        yield f"  {path}"
        yield f"    {error.splitlines()[0] if error else ''}"
    if len(findings.dead) > SHOWN_DEAD:
        yield f"  and {len(findings.dead) - SHOWN_DEAD:,} more"
    for difference in findings.differences[:SHOWN_DIFFERENCES]:
        yield f"difference: {difference}"
    if len(findings.differences) > SHOWN_DIFFERENCES:
        yield f"and {len(findings.differences) - SHOWN_DIFFERENCES:,} differences more"
    if run is not None and run.killed is not None and not findings.recovered:
        yield "no lease lapsed after the kill, so nothing was recovered: this run proves too little"
    yield f"exactly once: {'yes' if findings.exactly_once else 'no'}"
