"""A producer of a trial, as a process: `URL SEED COUNT SECONDS LONG PREFIX MIX`. Every choice comes from the seed."""

import random
import sys

import anyio

from asynctasq import DriverFactory, dispatch_many, init, run
from asynctasq.driver_api import DriverError, NewTask
from asynctasq.runtime.frame import Headers, encode_frame, encode_headers
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from tests.torture import application as tasks

BATCH = 20


def invocations(chooser: random.Random, long: float, kinds: frozenset[str], child_id: str):
    """One invocation, of the kinds that the mix allows."""
    share = chooser.random()
    if "process" in kinds and share < (0.4 if "crowd" in kinds else 0.05):
        from tests.torture import process_tasks

        if share < 0.04 or share > 0.05:
            return process_tasks.in_process(seconds=0.05)
        return process_tasks.child_leaves() if share < 0.046 else process_tasks.endless()
    if "poison" in kinds and share < 0.09:
        return chooser.choice(tasks.POISONS)()
    if share < 0.20:
        return tasks.in_thread(seconds=0.02)
    if share < 0.25:
        return tasks.fails_once()
    if share < 0.28:
        return tasks.always_fails()
    if share < 0.30:
        return tasks.outlasts_lease(seconds=long)
    if share < 0.33:
        return tasks.parent(child_id=child_id)
    return tasks.short(seconds=chooser.uniform(0.001, 0.005))


def malformed(chooser: random.Random, task_id: str) -> NewTask:
    """A real payload with bits flipped, or cut off, or nothing like one."""
    body = MsgpackSerializer().encode({"seconds": 0.001})
    payload = bytearray(encode_frame(encode_headers(Headers(max_attempts=3, retry_delay=0.05)), body))
    match chooser.randrange(4):
        case 0:
            payload[chooser.randrange(len(payload))] ^= 1 << chooser.randrange(8)
        case 1:
            del payload[chooser.randrange(len(payload)) :]
        case 2:
            payload = bytearray(chooser.randbytes(chooser.randrange(200)))
            payload[:1] = b"\x01"
        case _:
            payload = bytearray(b'{"not": "a frame"}')
    if payload[:1] and 1 < payload[0] < 32:
        payload[0] = 1  # a later version would be parked for a minute
    return NewTask(id=task_id, queue="default", name=tasks.short.name, payload=bytes(payload), keep_for=tasks.KEPT)


async def stubbornly(send) -> None:
    """Send again what the store refused or did not answer: the same ids, so that nothing is doubled."""
    while True:
        try:
            await send()
        except DriverError as error:
            print(f"sending again: {error!r}", file=sys.stderr)
            await anyio.sleep(0.05)
        else:
            return


async def main(url: str, seed: str, count: str, seconds: str, long: str, prefix: str, mix: str) -> None:
    """Send `count` tasks over `seconds`."""
    chooser = random.Random(f"{seed}-{prefix}")
    kinds = frozenset(mix.split(","))
    init(url=url)
    pause = float(seconds) / max(1, int(count) // BATCH)
    driver = DriverFactory.create(url)
    await stubbornly(driver.connect)
    async with driver:
        if "blocking" in kinds:
            await stubbornly(tasks.blocks_event_loop(seconds=1.2 * float(long)).task_id(f"{prefix}-blocking").dispatch)
        for first in range(0, int(count), BATCH):
            batch = []
            for number in range(first, first + BATCH):
                task_id = f"{prefix}-{number}"
                invocation = invocations(chooser, float(long), kinds, f"{task_id}-child").task_id(task_id)
                if chooser.random() < 0.2:
                    invocation = invocation.delay(chooser.uniform(0.0, 1.0))
                batch.append(invocation)
            if chooser.random() < 0.5:
                await stubbornly(lambda batch=batch: dispatch_many(batch))
            else:
                for invocation in batch:
                    await stubbornly(invocation.dispatch)
            if chooser.random() < 0.2:
                await stubbornly(batch[0].dispatch)  # an id that is known: nothing happens
            if "malformed" in kinds:
                row = malformed(chooser, f"{prefix}-{first}-malformed")
                await stubbornly(lambda row=row: driver.enqueue_many([row]))
            await anyio.sleep(pause * chooser.uniform(0.5, 1.5))
        if "crash" in kinds:
            for number, crash in enumerate(tasks.CRASHES):
                invocation = crash().task_id(f"{prefix}-crash-{number}")
                await stubbornly(invocation.dispatch)


if __name__ == "__main__":
    run(main(*sys.argv[1:]))
