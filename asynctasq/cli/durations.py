"""Durations as people type them: seconds, or a number with s, m, h or d."""

import re
from typing import Any

import click

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)\Z")


class DurationType(click.ParamType[float]):
    """`90`, `90s`, `15m`, `2h`, `7d` -> float seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds.

        Raises:
            click.BadParameter: it is no duration.
        """
        if isinstance(value, int | float):
            return float(value)
        match = _DURATION.match(str(value).strip().lower())
        if match is None:
            self.fail("wanted seconds, or a number with s, m, h or d, such as 15m", param, ctx)
        return float(match[1]) * _UNITS[match[2] or "s"]


def spoken_age(seconds: float | None) -> str:
    """A duration as a list shows it."""
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f}s"
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.1f}{unit}"
    return f"{seconds:.1f}s"
