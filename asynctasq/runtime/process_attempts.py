"""Attempts at process tasks: the worker's side of it."""

import logging
import sys
from collections.abc import Iterable, Sequence

from asynctasq.runtime.attempt import PROCESS_KINDS, Attempt
from asynctasq.runtime.failure_text import FailedInChild
from asynctasq.runtime.process_protocol import ChildSetup, Raised, Request, Start
from asynctasq.runtime.task_logging import JsonLogFormatter
from asynctasq.tasks.task_definition import TaskDefinition


def request_of(attempt: Attempt, *, keep_result: bool) -> Request:
    """What a child needs to know of an attempt: the arguments are the bytes that came from the store."""
    current = attempt.current
    return Request(
        name=current.name,
        content_type=attempt.headers.content_type,
        body=attempt.body,
        id=current.id,
        queue=current.queue,
        attempt=current.attempt,
        max_attempts=current.max_attempts,
        worker_id=current.worker_id,
        correlation_id=current.correlation_id,
        enqueued_at=current.enqueued_at,
        keep_result=keep_result,
    )


def failure_in_child(raised: Raised) -> FailedInChild:
    """What `failed()` and the log get of an exception that stayed in the child."""
    failure = FailedInChild(raised.message, type_name=raised.type_name, traceback=raised.traceback)
    if raised.traceback:
        failure.add_note(f"In the child process:\n{raised.traceback}")
    return failure


def first_message(
    parent: int,
    apps: Sequence[str],
    definitions: Iterable[TaskDefinition],
    *,
    setup: ChildSetup | None,
    max_result_bytes: int,
) -> Start:
    """What a child is told first: the applications as they were named, or else the modules that define process tasks
    here."""
    modules = list(dict.fromkeys(app.partition(":")[0] for app in apps))
    files: list[str] = []
    if not modules:
        modules, files = _sources([one for one in definitions if one.kind in PROCESS_KINDS])
    root = logging.getLogger()
    return Start(
        parent=parent,
        path=list(sys.path),
        modules=modules,
        files=files,
        setup=setup,
        log_level=root.level,
        log_as_json=any(isinstance(handler.formatter, JsonLogFormatter) for handler in root.handlers),
        max_result_bytes=max_result_bytes,
    )


def _sources(definitions: Iterable[TaskDefinition]) -> tuple[list[str], list[str]]:
    """The modules in which tasks were defined, by their names, or by their files if they were run as scripts."""
    names = {getattr(module, "__file__", None): name for name, module in sys.modules.copy().items()}
    modules: dict[str, None] = {}
    files: dict[str, None] = {}
    for file in dict.fromkeys(definition.place.file for definition in definitions):
        name = names.get(file, "__main__")
        if name in ("__main__", "__mp_main__"):
            files[file] = None
        else:
            modules[name] = None
    return list(modules), list(files)
