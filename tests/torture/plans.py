"""The trials."""

from tests.torture.faults import (
    blocked_loops,
    freeze_workers,
    full_disk,
    kill_often,
    kill_workers,
    lock_store,
    lost_wake_ups,
    roll_workers,
    twins,
    wrong_clocks,
)
from tests.torture.network import break_network, with_the_others
from tests.torture.trial import Plan

PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(name="kills", faults={"F1": kill_workers}, kinds=("process", "poison", "crash", "malformed"), tasks=1000),
        Plan(name="rolling", faults={"F2": roll_workers}, tasks=800, workers=3, lease=2.5, leases_hold=True),
        Plan(
            name="zombies",
            faults={"F3": freeze_workers, "F12": wrong_clocks, "F18": twins},
            tasks=800,
            workers=3,
            environments=(
                {},
                {"TORTURE_CLOCK": "3600", "ASYNCTASQ_WORKER_WORKER_ID": "twin"},
                {"TORTURE_CLOCK": "-3600", "ASYNCTASQ_WORKER_WORKER_ID": "twin"},
            ),
            kinds=("process", "crowd"),
        ),
        Plan(
            name="blocked",
            faults={"F21": blocked_loops, "F22": lost_wake_ups},
            kinds=("blocking",),
            workers=2,
            tasks=200,
            seconds=3.0,
            lease=2.0,
            runs_once=True,
            environments=({"TORTURE_SILENCE": "1"},),
        ),
        Plan(
            name="eight",
            faults={"F25": kill_often},
            workers=8,
            producers=2,
            concurrency=4,
            tasks=800,
            seconds=8.0,
        ),
        Plan(
            name="full",
            faults={"F25": full_disk},
            workers=2,
            tasks=400,
            seconds=6.0,
            lease=10.0,
            long_task=2.0,
            leases_hold=True,
            limits_pages=True,
            drivers=frozenset({"sqlite"}),
        ),
        Plan(
            name="locked",
            faults={"F6": lock_store},
            workers=2,
            tasks=400,
            seconds=8.0,
            lease=10.0,
            long_task=2.0,
            leases_hold=True,
            url_options="busy_timeout=0.3&command_timeout=0.6",
            may_say=frozenset({"database is locked"}),
            drivers=frozenset({"sqlite"}),
        ),
        Plan(
            name="network",
            faults={"F5": break_network, "F7": with_the_others, "F8": with_the_others, "F9": with_the_others},
            workers=3,
            tasks=400,
            seconds=10.0,
            lease=3.0,
            long_task=4.0,
            networked=True,
            drivers=frozenset({"redis", "postgres", "postgresql", "mysql"}),
        ),
    )
}
"""Name -> trial. On any driver that several processes may share, unless it names its own."""
