"""Log lines of a worker: to standard error, as text or as JSON, with the task that they were logged in."""

import logging
import sys

from asynctasq.cli.output import printable_lines
from asynctasq.runtime.task_logging import JsonLogFormatter, TaskContextFilter

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class TextLogFormatter(logging.Formatter):
    """A line for people; inside a task it ends with the task's name, id and attempt. What a task's error or argument
    holds in control characters does not reach the terminal."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def format(self, record: logging.LogRecord) -> str:
        """The line, with exception and stack below it."""
        return printable_lines(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without exception and stack."""
        line = super().formatMessage(record)
        task = vars(record)
        if task.get("task_id") is None:
            return line
        name, attempt = task.get("task_name"), task.get("current_attempt")
        shown = [f"task={name}" if name else "", f"id={task['task_id']}", f"attempt={attempt}" if attempt else ""]
        return f"{line} [{' '.join(filter(None, shown))}]"


def configure_logging(log_format: str, level: int | str) -> None:
    """Send every log line of this process to standard error. What handlers the root logger has are replaced."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(TaskContextFilter())
    handler.setFormatter(JsonLogFormatter() if log_format == "json" else TextLogFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
