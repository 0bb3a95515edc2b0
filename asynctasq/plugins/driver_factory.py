"""Drivers by name or URL."""

import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any, cast

from msgspec import Struct

from asynctasq.contract.driver import Driver
from asynctasq.contract.features import FEATURE_NAMES
from asynctasq.errors import AsyncTasqError, ConfigurationError, DriverNotFound, PluginInvalid, PluginLoadFailed
from asynctasq.plugins.discovery import (
    InstalledPlugin,
    PluginKind,
    choose_plugin,
    install_hint,
    installed_plugins,
    scheme_of,
)
from asynctasq.plugins.plugin_registry import PluginRegistry
from asynctasq.plugins.plugin_settings import plugin_settings
from asynctasq.plugins.plugin_validation import requirement_note
from asynctasq.plugins.settings import DriverSettings
from asynctasq.plugins.specs import DriverSpec


class LoadedDriver(Struct, frozen=True, kw_only=True):
    """A driver's plugin, imported and accepted; no driver is open yet."""

    plugin: InstalledPlugin
    spec: DriverSpec

    def settings(
        self, config: DriverSettings | Mapping[str, Any] | None = None, *, url: str | None = None, **settings: Any
    ) -> DriverSettings:
        """Checked settings of this driver. Keywords win over `config`, and a mapping wins over the URL.

        Raises:
            ConfigurationError: an unknown or wrong setting, or the settings of another driver.
        """
        return cast(DriverSettings, plugin_settings(self.spec, config, settings, url))

    def open(self, settings: DriverSettings) -> Driver:
        """A driver that is not connected. Synchronous, without I/O; a client library is imported here.

        Raises:
            ConfigurationError: the driver refused the settings.
            PluginLoadFailed: its `open` failed, most often because a client library is missing.
            PluginInvalid: its `open` gave something that is no driver.
        """
        driver = open_plugin(self.plugin, self.spec.open, settings)
        if not isinstance(driver, Driver):
            raise PluginInvalid(f"{self.plugin}: open() gave {type(driver).__name__}; wanted a Driver")
        return driver


class DriverFactory:
    """Makes drivers. Which ones exist is read from the metadata of what is installed; only the one that is asked for
    is imported."""

    @staticmethod
    def create(
        name_or_url: str | Enum,
        config: DriverSettings | Mapping[str, Any] | None = None,
        *,
        distribution: str | None = None,
        **settings: Any,
    ) -> Driver:
        """A driver that is not connected: `await driver.connect()` comes next. Synchronous, without I/O.

        Args:
            name_or_url: `"postgres"`, or `"postgresql://user@host/database?namespace=shop"`.
            config: The driver's settings, whole (`RedisConfig(...)`) or in part (a mapping). What is not given has the
                driver's default; the environment is not read here (`init()` and `Config` do that).
            distribution: Which distribution's driver, where several offer the name.
            settings: Single settings; they win over `config`.

        Raises:
            DriverNotFound: no installed distribution offers it; the message says what to install.
            PluginConflict: several do.
            PluginLoadFailed: its module or its `open` failed.
            PluginInvalid: it is not a driver by the specifications.
            IncompatiblePlugin: it was written for another version of the plugin API.
            ConfigurationError: a wrong setting.
        """
        name = plain_name(name_or_url)
        loaded = DriverFactory.load(name, distribution=distribution)
        url = name if scheme_of(name) is not None else None
        return loaded.open(cast(DriverSettings, plugin_settings(loaded.spec, config, settings, url)))

    @staticmethod
    def load(
        name_or_url: str | Enum, *, distribution: str | None = None, registry: PluginRegistry | None = None
    ) -> LoadedDriver:
        """Import one driver's plugin without opening a driver.

        Args:
            name_or_url: As in `create`.
            distribution: As in `create`.
            registry: Where the plugin is held, so that its other hooks are called; None is nowhere.

        Raises:
            ConfigurationError: as `create`, but for the settings.
        """
        plugin = choose_plugin(PluginKind.DRIVER, plain_name(name_or_url), distribution=distribution)
        loaded = (registry or PluginRegistry()).load(plugin)
        return LoadedDriver(plugin=plugin, spec=cast(DriverSpec, loaded.spec))

    @staticmethod
    def installed() -> tuple[InstalledPlugin, ...]:
        """Every driver that is installed, each once with all of its names. Imports nothing."""
        return installed_plugins(PluginKind.DRIVER)


def plain_name(name: str | Enum) -> str:
    """The text of a name: existing applications pass members of an enum, too.

    Raises:
        ConfigurationError: it is no text, or empty.
    """
    value: object = name.value if isinstance(name, Enum) else name
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"a plugin's name is {value!r}; wanted a name or a URL, such as 'sqlite:///tasks.db'")
    return value.strip()


def open_plugin(plugin: InstalledPlugin, opener: Any, *arguments: object) -> object:
    """Call a plugin's `open`, and say whose it was if it fails."""
    try:
        opened = opener(*arguments)
    except AsyncTasqError:
        raise
    except Exception as error:
        raise PluginLoadFailed(
            f"{plugin} could not be opened: {type(error).__name__}: {error}{requirement_note(plugin)}"
        ) from error
    if inspect.iscoroutine(opened):
        opened.close()
        raise PluginInvalid(f"{plugin}: open() is a coroutine function; wanted a plain one, without I/O")
    return opened


def verify_traits(driver: Driver, spec: DriverSpec) -> None:
    """Check a connected driver against what its plugin advertises: less is allowed, more is not.

    Raises:
        PluginInvalid: the driver claims a guarantee, has a feature or runs on an event loop that its spec leaves out.
    """
    present = {name for name in FEATURE_NAMES if getattr(driver, name) is not None}
    guarantees = {guarantee.value for guarantee in driver.traits.guarantees}
    surplus = {
        "guarantees": guarantees - {guarantee.value for guarantee in spec.guarantees},
        "features": present - spec.features,
        "event_loops": driver.traits.event_loops - spec.event_loops,
    }
    claims = [f"{field} {', '.join(sorted(names))}" for field, names in surplus.items() if names]
    if claims:
        raise PluginInvalid(
            f"the connected driver {spec.name!r} has more than its DriverSpec advertises: {'; '.join(claims)}. "
            "Add them to the spec, or take them from the driver"
        )


def driver_config_class(name: str) -> type[DriverSettings]:
    """The settings class of the driver behind a name such as `Redis` or `RedisConfig`: `RedisConfig` is what the
    driver `redis` calls its settings. Only that driver's plugin is imported.

    Raises:
        ImportError: the driver is not installed (the message says how to install it) or its plugin is unusable.
    """
    stem = name.removesuffix("Config")
    driver = stem.lower()
    try:
        return DriverFactory.load(driver).spec.settings_type
    except DriverNotFound as error:
        raise ImportError(_missing_config(stem, driver, error), name=f"asynctasq_{driver}") from error
    except ConfigurationError as error:
        raise ImportError(f"{stem}Config is not available: {error}", name=f"asynctasq_{driver}") from error


def _missing_config(stem: str, driver: str, error: DriverNotFound) -> str:
    if install_hint(driver) is not None or any(driver in plugin.names for plugin in DriverFactory.installed()):
        return f"{stem}Config is not available: {error}"
    return (
        f"{stem}Config is not available: no driver {driver!r} is installed. Install a distribution that offers it "
        "under the entry-point group asynctasq.drivers, or write one against asynctasq.driver_api and test it with "
        "asynctasq-conformance"
    )
