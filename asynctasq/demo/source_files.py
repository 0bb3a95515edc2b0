"""Which files the demonstration looks at: real source trees, a fair sample of them, and five broken files."""

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".py"
SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "node_modules", ".git"})
EVERYTHING = 1 << 64

BROKEN_FILES: dict[str, bytes] = {
    "unfinished_string.py": b'text = """never closed\n',
    "unfinished_bracket.py": b"values = [1, 2, 3\n",
    "unknown_encoding.py": b"# -*- coding: klingon -*-\nname = 1\n",
    "not_utf_8.py": b"name = '\xff\xfe'\n",
    "lost_indent.py": b"if True:\n        a = 1\n    b = 2\n",
}


def default_roots() -> list[str]:
    """The interpreter's standard library and the environment's packages."""
    roots = {name: os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "purelib")}
    return list(dict.fromkeys(roots.values()))


def write_broken_files(folder: Path) -> None:
    """Five files that can't be tokenized, each for a reason of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in BROKEN_FILES.items():
        (folder / name).write_bytes(content)


def rank(path: str) -> int:
    """A number between 0 and `EVERYTHING` that depends on the path alone: the smallest ranks make a fair sample."""
    return int.from_bytes(hashlib.blake2b(os.fsencode(path), digest_size=8).digest(), "big")


def sample_bound(paths: list[str], at_most: int | None) -> int:
    """The bound under which the ranks of at most so many of `paths` lie. None takes everything."""
    if at_most is None or len(paths) <= at_most:
        return EVERYTHING
    return sorted(map(rank, paths))[at_most]


def is_source(name: str) -> bool:
    """Does a file's name say that it is Python source?"""
    return name.endswith(SUFFIX)


def list_folder(folder: str) -> tuple[list[str], list[str]]:
    """The folders and the source files of one folder, by full path. Links to folders are not followed.

    Raises:
        OSError: the folder can't be read.
    """
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in SKIPPED_FOLDERS:
                    folders.append(entry.path)
            elif is_source(entry.name) and not entry.is_dir():
                files.append(entry.path)
    return sorted(folders), sorted(files)


def walk(roots: list[str]) -> Iterator[str]:
    """Every source file below these roots, by a plain walk that shares nothing with the tasks' one."""
    for root in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
            yield from (os.path.join(folder, name) for name in files if is_source(name))
