"""Sends invoices: a task that is retried, one that dies, and an id that makes sending twice harmless.

In one terminal:   asynctasq worker --app invoices
In another:        python invoices.py
"""

import sys

from asynctasq import AsyncTask, TaskConfig, TaskFailed, current_task, run, task


@task(queue="default", max_attempts=5, retry_delay=0.1, retry_strategy="fixed")
async def render(number: int) -> str:
    """The first attempt meets an outage; the second one works."""
    if current_task().attempt == 1:
        raise ConnectionError("the printer does not answer")
    return f"invoice-{number}.pdf"


class Send(AsyncTask[str]):
    """Sends one invoice. A customer without an address is nobody's fault but ours: it is not tried again."""

    config: TaskConfig = {"max_attempts": 5, "retry_delay": 0.1, "timeout": 10, "visibility_timeout": 60}
    number: int
    to: str

    async def execute(self) -> str:
        if "@" not in self.to:
            raise ValueError(f"invoice {self.number} has no address: {self.to!r}")
        return f"sent to {self.to}"

    def should_retry(self, exception: Exception) -> bool:
        return not isinstance(exception, ValueError)

    async def failed(self, exception: Exception) -> None:
        sys.stderr.write(f"task {self._task_id} gave up: {exception}\n")


async def main() -> None:
    rendered = await render(7).dispatch()
    print(await rendered.result(timeout=30))

    first = await Send(number=7, to="a@example.com").task_id("send-invoice-7").dispatch()
    again = await Send(number=7, to="a@example.com").task_id("send-invoice-7").dispatch()
    print(await first.result(timeout=30), "- accepted again:", again.accepted)

    lost = await Send(number=8, to="nowhere").dispatch()
    try:
        await lost.result(timeout=30)
    except TaskFailed as error:
        print("a dead letter:", error)


if __name__ == "__main__":
    run(main())
