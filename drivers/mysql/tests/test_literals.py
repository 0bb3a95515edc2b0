"""Values in statements mean what they are, whatever they are."""

import pytest
from asynctasq_mysql.literals import literal, text
from hypothesis import given, settings
from hypothesis import strategies as st

from .harness import Administrator


@given(st.text(max_size=50))
def test_text_can_not_leave_its_literal(value: str) -> None:
    """Text is either plain within quotes or hexadecimal; no quote, backslash, percent sign or line end is left."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    made = text(value)
    inner = made.removeprefix("X").strip("'")
    assert made == f"'{inner}'" or made == f"X'{inner}'"
    assert not set(inner) & set("'\"\\%`\0\n\r\x1a")
    assert made.isascii()


@pytest.mark.parametrize("mode", ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "ANSI,STRICT_ALL_TABLES"])
@pytest.mark.parametrize("value", ["plain", "it's", "back\\slash", "100%", "ü€😀", "a' OR '1'='1", "-- x", ";"])
def test_the_server_reads_what_was_written(settings, administrator: Administrator, mode: str, value: str) -> None:
    """In every SQL mode the server reads the same bytes."""
    [row] = administrator.run(f"SET SESSION sql_mode = '{mode}'", f"SELECT CAST({literal(value)} AS BINARY)")
    assert row[0] == value.encode()


@settings(max_examples=20)
@given(st.binary(max_size=100))
def test_bytes_stay_what_they_are(value: bytes) -> None:
    """Any bytes are hexadecimal, and so are those of a bytearray."""
    assert literal(value) in ("''", f"X'{value.hex()}'")
