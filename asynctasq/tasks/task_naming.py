"""How a task is named: `module:qualname`, the same in the script that dispatches and in the worker that imports it."""

import os
import sys
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from asynctasq.errors import DefinitionError

_MAX_NAME_BYTES = 200
_RUN_AS_SCRIPT = ("__main__", "__mp_main__")


class SourcePlace(Struct, frozen=True):
    """Where a task was written."""

    file: str
    line: int
    qualname: str

    def is_rewritten_by(self, other: "SourcePlace") -> bool:
        """True if `other` is the same definition, imported again or reloaded."""
        return self.file == other.file and self.qualname == other.qualname

    def __str__(self) -> str:
        return f"{self.qualname} ({self.file}:{self.line})"


def task_name(target: type | Callable[..., Any]) -> str:
    """The name of a class or function.

    Raises:
        DefinitionError: it is longer than a name may be.
    """
    name = f"{module_name(target.__module__)}:{target.__qualname__}"
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise DefinitionError(
            f"the task name {name} is longer than {_MAX_NAME_BYTES} bytes; give it a shorter one: name="
        )
    return name


def module_name(module: str) -> str:
    """A module's name as an import would know it: a script is named by its module spec or its file."""
    if module not in _RUN_AS_SCRIPT:
        return module
    main = sys.modules.get(module)
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name.removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(file))[0] if file else module


def source_place(target: type | Callable[..., Any], code_of: Callable[..., Any]) -> SourcePlace:
    """Where `target` was written; `code_of` is the function whose code tells file and line."""
    code = getattr(code_of, "__code__", None)
    if code is None:
        return SourcePlace(target.__module__, 0, target.__qualname__)
    file = getattr(sys.modules.get(target.__module__), "__file__", None) or code.co_filename
    return SourcePlace(os.path.abspath(file), code.co_firstlineno, target.__qualname__)
