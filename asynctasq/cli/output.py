"""Data on standard output: tables for people, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import click
import msgspec

Cell = str | int | float | None | datetime


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
        return "-"
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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def _encode_other(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
