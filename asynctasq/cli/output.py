"""Data on standard output: tables for people, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import click
import msgspec

Cell = str | int | float | None | datetime
_NOTHING = "-"
_NARROWEST_LAST = 24
"""How narrow the last column, such as an error, may be folded before a table is given up."""


def write_json(value: Any) -> None:
    """One JSON document, indented for a terminal."""
    encoded = msgspec.json.encode(value, enc_hook=_encode_other)
    click.echo(msgspec.json.format(encoded, indent=2).decode() if sys.stdout.isatty() else encoded.decode())


def write_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, nothing: str) -> None:
    """Rows under headings. `nothing` is what is said, on standard error, when there are none."""
    texts = [[cell_text(cell) for cell in row] for row in rows]
    if not texts:
        click.echo(nothing, err=True)
    elif sys.stdout.isatty():
        _write_rich(columns, texts)
    else:
        _write_plain(columns, texts)


def write_fields(fields: Iterable[tuple[str, Cell]]) -> None:
    """Names and values, one to a line; values that are None are left out."""
    shown = [(name, cell_text(value)) for name, value in fields if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    for name, text in shown:
        click.echo(f"{click.style(f'{name}:'.ljust(width + 1), bold=True)} {text}")


def cell_text(cell: Cell) -> str:
    """A value as people read it. Control characters, which a task's name or error may hold, do not reach the
    terminal."""
    if cell is None:
        return _NOTHING
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return printable(cell)


def printable(text: str) -> str:
    """Text without anything that a terminal would obey, on one line."""
    return "".join(character if character.isprintable() else " " for character in text)


def printable_lines(text: str) -> str:
    """As `printable`, with the line ends kept."""
    return "\n".join(printable(line.expandtabs(4)) for line in text.splitlines())


def _write_plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in ([heading.upper() for heading in columns], *rows):
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def _write_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table, whose last column may be folded; where a terminal is too narrow for that, row below row, so that an id
    is never torn."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    widths = [max(map(cell_len, column)) for column in zip(columns, *rows, strict=True)]
    if sum(widths[:-1]) + 2 * len(widths[:-1]) + min(widths[-1], _NARROWEST_LAST) > console.width:
        _write_records(columns, rows)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, heading in enumerate(columns, start=1):
        table.add_column(heading, overflow="fold", no_wrap=number < len(columns))
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _write_records(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(rows):
        if number:
            click.echo()
        write_fields((name, text) for name, text in zip(columns, row, strict=True) if text not in ("", _NOTHING))


def _encode_other(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
