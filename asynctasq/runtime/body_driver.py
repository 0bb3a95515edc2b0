"""Driving a task's coroutine inside a context of its own, whatever task of the event loop runs it.

A copied context per attempt by `Context.run` around each step costs half a microsecond; a task of the event loop's own
per attempt would cost thirty times that.
"""

import types
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any

Outcome = tuple[Any, BaseException | None]
"""A body's value, or the exception that it ended with: one of the two is None."""


@types.coroutine
def drive(context: Context, coroutine: Coroutine[Any, Any, Any], yielded: object) -> Generator[object, Any, Outcome]:
    """The rest of a coroutine that has just yielded `yielded`, each step inside `context`.

    Whatever the coroutine raises is returned, `SystemExit` and cancellation included; only the closing of this
    generator itself comes through.
    """
    send, throw = coroutine.send, coroutine.throw
    while True:
        try:
            sent = yield yielded
        except GeneratorExit:
            context.run(coroutine.close)
            raise
        except BaseException as thrown:
            step, argument = throw, thrown
        else:
            step, argument = send, sent
        try:
            yielded = context.run(step, argument)
        except StopIteration as stop:
            return stop.value, None
        except BaseException as error:
            return None, error
        finally:
            del step, argument


async def awaited(awaitable: Any) -> Any:
    """A coroutine for what a body gave instead of one: a future, or another awaitable."""
    return await awaitable


async def run_in_context(context: Context, awaitable: Any) -> Outcome:
    """Await something inside `context`, and return how it ended."""
    coroutine = awaited(awaitable)
    try:
        yielded = context.run(coroutine.send, None)
    except StopIteration as stop:
        return stop.value, None
    except BaseException as error:
        return None, error
    return await drive(context, coroutine, yielded)
