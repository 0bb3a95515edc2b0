"""The application whose workers get hostile payloads."""

import sys

from asynctasq import task

NEVER_IMPORTED = ("antigravity", "this", "turtledemo.clock", "idlelib.idle")
"""Modules of the standard library that nothing here has a reason to import, and whose import would show."""


@task(keep_result=3600, retry_delay=0)
async def echo(value: object = None) -> object:
    """What came in."""
    return value


@task(keep_result=3600, retry_delay=0)
async def typed(number: int = 0, words: list[str] | None = None, nested: dict[str, list[int]] | None = None) -> int:
    """With arguments that are checked."""
    return number


@task(keep_result=3600)
async def wrongly_imported() -> list[str]:
    """Which of the modules were imported here all the same."""
    return [name for name in NEVER_IMPORTED if name in sys.modules]
