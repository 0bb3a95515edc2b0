"""Process tasks of `test_promises.py`: an application of their own, because a pool slows every start."""

import time

from asynctasq import task
from tests.acceptance.promise_tasks import KEPT, written_down


@task(keep_result=KEPT, retry_delay=0, process=True)
def sleep_in_process(seconds: float) -> None:
    with written_down():
        time.sleep(seconds)
