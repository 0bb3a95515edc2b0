"""The names that applications import from the package."""

import pytest

import asynctasq
from asynctasq.public_names import HOMES, REFUSED


@pytest.mark.parametrize("name", sorted(HOMES))
def test_every_public_name_exists(name: str) -> None:
    """Whatever the table promises can be imported, and shows in dir()."""
    assert getattr(asynctasq, name) is not None
    assert name in dir(asynctasq)


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
