"""Writing a new driver package.

`driver_template/` beside this module is a driver that is called `acme` and works as it is: a package is made by putting
another name in its place.
"""

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from asynctasq.plugins.discovery import OWN_DRIVERS
from asynctasq.plugins.reserved_names import RESERVED_DRIVER_NAMES

_NAME = re.compile(r"[a-z][a-z0-9]*")
_TEMPLATE_NAME = "acme"
_SUFFIX = ".template"
_TAKEN_NAMES = frozenset({*OWN_DRIVERS, "memory", "conformance"})
"""Names of distributions of ours, and of what they install."""


def why_name_is_refused(name: str) -> str | None:
    """What keeps a driver from having this name, and what to do; or None."""
    if _NAME.fullmatch(name) is None:
        return f"{name!r} can't be a driver's name; wanted lower-case letters and digits, a letter first, such as acme"
    if name in RESERVED_DRIVER_NAMES:
        return f"{name!r} is a word of asynctasq's own settings; choose another name"
    if name in _TAKEN_NAMES:
        return f"{name!r} is a name of asynctasq's own; choose another"
    return None


def why_folder_is_refused(folder: Path) -> str | None:
    """What keeps a package from being written into this folder; or None."""
    if folder.exists() and not folder.is_dir():
        return f"{folder} is there already, and is no folder"
    if folder.is_dir() and any(folder.iterdir()):
        return f"{folder} is there already, and is not empty"
    return None


def write_driver_package(name: str, folder: Path) -> list[Path]:
    """Write the package of a driver into a folder, which is made if need be; the files, as paths in the folder.

    Raises:
        OSError: the folder can't be written.
    """
    written: list[Path] = []
    for place, text in driver_package_files(name):
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        written.append(Path(place))
    return written


def driver_package_files(name: str) -> Iterator[tuple[PurePosixPath, str]]:
    """Every file of the package of a driver: its path and its text."""
    template = files("asynctasq.cli.scaffold") / "driver_template"
    for place, text in _files_of(template, PurePosixPath()):
        yield PurePosixPath(_renamed(str(place), name)), _renamed(text, name)


def _files_of(folder: Traversable, place: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files_of(entry, place / entry.name)
        elif entry.name.endswith(_SUFFIX):
            yield place / entry.name.removesuffix(_SUFFIX), entry.read_text(encoding="utf-8")


def _renamed(text: str, name: str) -> str:
    for spell in (str.lower, str.capitalize, str.upper):
        text = text.replace(spell(_TEMPLATE_NAME), spell(name))
    return text
