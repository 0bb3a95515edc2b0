"""Queues from which nothing is delivered: a set that the reserve script looks at."""

from collections.abc import Sequence

from asynctasq.driver_api import Driver, check_identifiers
from asynctasq_redis.maintenance import paused_queue_names
from asynctasq_redis.script_runner import MOST_NAMES, ScriptRunner, slices


class RedisPausing:
    """The feature `pausing`."""

    def __init__(self, driver: Driver, scripts: ScriptRunner) -> None:
        self._driver = driver
        self._scripts = scripts

    async def pause(self, queues: Sequence[str]) -> None:
        """Leave these queues out of every `reserve` from now on."""
        await self._run("pause", queues)

    async def resume(self, queues: Sequence[str]) -> None:
        """Deliver from these queues again, and wake those who listen."""
        await self._run("resume", queues)

    async def paused_queues(self) -> frozenset[str]:
        """The names of all paused queues."""
        self._driver.check_open()
        return await paused_queue_names(self._scripts)

    async def _run(self, script: str, queues: Sequence[str]) -> None:
        self._driver.check_open()
        check_identifiers("queue", queues)
        for names in slices(queues, MOST_NAMES):
            await self._scripts.run_durably(script, names)
