"""The Lua scripts of this package: one per method of the contract, made of shared pieces.

A line `--#include name.lua` stands for that file of `scripts/include/`, once per script.
"""

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from msgspec import Struct

_include_line = re.compile(r"^--#include (\w+\.lua)\n", re.MULTILINE)


class Script(Struct, frozen=True):
    """One script, as it is sent."""

    text: str
    digest: str


def read_pieces() -> dict[str, str]:
    """The shared pieces: file name -> text."""
    folder = files(__name__.partition(".")[0]) / "scripts" / "include"
    return {piece.name: piece.read_text("utf-8") for piece in folder.iterdir() if piece.name.endswith(".lua")}


def assemble(pieces: Mapping[str, str]) -> dict[str, Script]:
    """All scripts, made with these pieces: method's name -> script."""
    folder = files(__name__.partition(".")[0]) / "scripts"
    scripts: dict[str, Script] = {}
    for file in folder.iterdir():
        if file.name.endswith(".lua"):
            text = _include_line.sub(lambda line: pieces[line[1]], file.read_text("utf-8"))
            scripts[file.name.removesuffix(".lua")] = Script(text, hashlib.sha1(text.encode()).hexdigest())
    return scripts


@cache
def installed_scripts() -> Mapping[str, Script]:
    """The scripts as they are shipped."""
    return assemble(read_pieces())
