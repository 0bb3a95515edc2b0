"""The names that applications import from the package."""

import ast
from pathlib import Path

import pytest

import asynctasq
from asynctasq import errors
from asynctasq.public_names import HOMES, REFUSED


@pytest.mark.parametrize("name", sorted(HOMES))
def test_every_public_name_exists(name: str) -> None:
    """Whatever the table promises can be imported, and shows in dir()."""
    assert getattr(asynctasq, name) is not None
    assert name in dir(asynctasq)


def test_every_error_can_be_caught_by_a_public_name() -> None:
    """An application never has to import from below the package."""
    raised = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert raised - set(HOMES) == {"NeedsLoading", "TaskSignal"}  # what the core tells itself, and a base


def test_type_checkers_know_what_the_table_promises() -> None:
    """The lazy names and the static ones are the same; the terminal's are another library's."""
    tree = ast.parse(Path(asynctasq.__file__).read_text())
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    static = {
        alias.asname
        for block in guarded
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    }
    other_names = {"BaseSerializer", "MsgspecSerializer"}
    terminal = {"Console", "Panel", "Syntax", "Table", "console", "print"}
    assert static - {"MemoryConfig"} == set(HOMES) - other_names - terminal


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_names_say_what_to_do(name: str) -> None:
    """Names of older applications without a meaning here fail at once, with a sentence."""
    with pytest.raises(ImportError, match=f"asynctasq has no {name}: ."):
        exec(f"from asynctasq import {name}")


def test_the_import_line_of_the_documentation_works() -> None:
    """The names of the production example; every driver's Config comes from that driver."""
    from asynctasq import (
        Config,
        DriverFactory,
        EventsConfig,
        MemoryConfig,
        ProcessPoolConfig,
        RedisConfig,
        TaskDefaultsConfig,
        init,
    )

    assert RedisConfig.__module__.startswith("asynctasq_redis")
    assert MemoryConfig().namespace == "asynctasq"
    assert TaskDefaultsConfig().queue == "default"
    assert all((Config, DriverFactory, EventsConfig, ProcessPoolConfig, init))


def test_unknown_names_are_attribute_errors() -> None:
    """As for any module; a Config of a driver that nobody installed says so."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = asynctasq.nonsense
    with pytest.raises(ImportError, match="NowhereConfig is not available"):
        exec("from asynctasq import NowhereConfig")


def test_the_older_import_path_of_the_dispatcher() -> None:
    """`asynctasq.core.dispatcher` keeps working."""
    from asynctasq.core.dispatcher import Dispatcher, get_dispatcher

    assert Dispatcher is asynctasq.Dispatcher
    assert get_dispatcher is asynctasq.get_dispatcher
