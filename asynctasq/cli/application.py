"""Finding and importing the application: its own imports are what registers tasks."""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asynctasq.config import Config, resolve
from asynctasq.errors import AsyncTasqError, ConfigurationError
from asynctasq.tasks.task_registry import default_registry

USUAL_FILES = ("tasks.py", "app.py", "main.py", "app/tasks.py")
"""Where tasks are looked for in the current folder when nothing names the application."""


def settings_before_import(flags: dict[str, Any]) -> Config:
    """The configuration as far as it is needed before the application is imported: which one it is, and how to log.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    # Which driver is used may be settled by the application's own `init()`, which has not run yet.
    return resolve({}, flags=flags, choose_driver=False)


def load_application(apps: Sequence[str]) -> tuple[str, ...]:
    """Import these applications, or else the first of the usual files in the current folder that has tasks.

    Returns:
        The names of what was imported.

    Raises:
        ConfigurationError: one of them can't be imported, none defines a task, or none is found.
    """
    put_current_folder_on_path()
    if not apps:
        return (_find_in_current_folder(),)
    for app in apps:
        import_application(app)
    if not len(default_registry):
        raise ConfigurationError(
            f"{', '.join(apps)} was imported, but no task was defined; decorate a function with @task, or name the "
            "module that has the tasks: --app package.module"
        )
    return tuple(apps)


def import_application(app: str) -> None:
    """Import `package.module`, or `package.module:object`, which must then have the object.

    Raises:
        ConfigurationError: it can't be imported; the message says why.
    """
    module_name, _, attribute = app.partition(":")
    if module_name.endswith(".py") or "/" in module_name:
        raise ConfigurationError(f"the application {app!r} is a path; wanted a module: {_as_module(module_name)}")
    found: Any = _import(module_name)
    for name in attribute.split(".") if attribute else ():
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ConfigurationError(
                f"the module {module_name} was imported, but it has no {attribute!r}; wanted package.module:object"
            ) from None


def put_current_folder_on_path() -> None:
    """`python -m` puts the current folder on the path by itself; the console script does not."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _find_in_current_folder() -> str:
    tried: list[str] = []
    for name in USUAL_FILES:
        if not Path(name).is_file():
            tried.append(f"{name} (not there)")
            continue
        module = _as_module(name)
        _import(module)
        if len(default_registry):
            return module
        tried.append(f"{name} (defines no task)")
    raise ConfigurationError(
        f"no application was named, and none was found in {Path.cwd()}: tried --app, ASYNCTASQ_APP, the "
        f"configuration, {', '.join(tried)}; name the module that defines your tasks: --app package.module"
    )


def _import(module_name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"the application {module_name!r} is not to be found from {Path.cwd()}; run this in the folder that "
                "holds it, or install it"
            ) from error
        raise ConfigurationError(_import_failed(module_name, error)) from error
    except AsyncTasqError as error:
        raise ConfigurationError(f"importing the application {module_name!r} failed: {error}") from error
    except (Exception, SystemExit) as error:
        raise ConfigurationError(_import_failed(module_name, error)) from error


def _import_failed(module_name: str, error: BaseException) -> str:
    return (
        f"importing the application {module_name!r} failed: {type(error).__name__}: {error}{_place(error)}; "
        "--debug shows the traceback"
    )


def _place(error: BaseException) -> str:
    """The innermost line, which is most often the application's own."""
    if isinstance(error, SyntaxError):
        return ""  # its text has the place
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None or "importlib" in traceback.tb_frame.f_code.co_filename:
        return ""
    return f" ({traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno})"


def _as_module(path: str) -> str:
    return path.removesuffix(".py").strip("./").replace("/", ".")
