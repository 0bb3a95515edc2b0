"""The configuration: code > `ASYNCTASQ_*` environment > `.env` > default, and a command line's flags before all.

The core knows no backend: a driver's group is whatever its plugin's settings class declares, and is filled in the same
way. Nothing is imported for a driver that is not used.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from asynctasq import plugins
from asynctasq.configuration.groups import (
    GROUPS,
    EventsConfig,
    GeneralConfig,
    ProcessPoolConfig,
    RepositoryConfig,
    TaskDefaultsConfig,
    WorkerConfig,
)
from asynctasq.configuration.layers import (
    GENERAL,
    KnownNames,
    read_code,
    read_dotenv,
    read_flags,
    read_variables,
)
from asynctasq.configuration.sources import DEFAULT_DRIVER, DriverChoice, Sources
from asynctasq.contract.driver import Driver
from asynctasq.contract.event_sink import EventSink
from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DriverNotFound
from asynctasq.plugins.discovery import install_hint
from asynctasq.plugins.plugin_settings import config_values, url_values
from asynctasq.plugins.setting_values import (
    CODE,
    DEFAULT,
    DOTENV,
    ENVIRONMENT,
    Origin,
    SettingValue,
    build_settings,
    from_code,
    spell,
)
from asynctasq.plugins.settings import DriverSettings, PluginSettings, redact_url

if TYPE_CHECKING:
    from asynctasq.plugins import LoadedDriver, LoadedEventSink, PluginRegistry

__all__ = [
    "Config",
    "EventsConfig",
    "Origin",
    "ProcessPoolConfig",
    "RepositoryConfig",
    "ShownSetting",
    "TaskDefaultsConfig",
    "WorkerConfig",
    "resolve",
    "set_current",
    "set_flags",
]


class ShownSetting(NamedTuple):
    """A setting as `asynctasq config show` prints it."""

    name: str
    value: Any
    """Masked if it is secret."""
    origin: Origin


class Config(Struct, frozen=True, kw_only=True):
    """What an application is configured with: a snapshot that never changes. `resolve` makes it."""

    driver: str
    """The driver's name, or one of its URL schemes."""
    url: str | None
    """The URL that was given for all, or None. It may hold a password: show `redact_url(config.url)`."""
    serializer: str
    apps: tuple[str, ...]
    max_payload_bytes: int
    task_defaults: TaskDefaultsConfig
    events: EventsConfig
    process_pool: ProcessPoolConfig
    repository: RepositoryConfig
    worker: WorkerConfig
    origins: Mapping[str, Origin]
    """Where each setting of the core was found, by its name in code, such as `worker.lease`."""
    ignored_variables: tuple[str, ...] = ()
    """Variables that begin with `ASYNCTASQ_` and mean nothing here."""
    _sources: Sources

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        url = None if self.url is None else redact_url(self.url)
        return [("driver", self.driver), ("url", url), ("serializer", self.serializer), ("apps", self.apps)]

    @classmethod
    def get(cls) -> "Config":
        """The configuration of this process; it is resolved from environment and `.env` if nothing was set.

        Raises:
            ConfigurationError: as `resolve`.
        """
        return _process.config or cls.set()

    @classmethod
    def set(cls, **code: Any) -> "Config":
        """Resolve the configuration with these values from code, and make it the one of this process.

        Raises:
            ConfigurationError: as `resolve`.
        """
        config = resolve(code, flags=_process.flags)
        set_current(config)
        return config

    def load_driver(self, name: str | None = None, *, registry: "PluginRegistry | None" = None) -> "LoadedDriver":
        """The plugin of a driver, imported; None is the configured one.

        Raises:
            DriverNotFound: it is not installed; the message says how to install it.
            ConfigurationError: its plugin is unusable.
        """
        try:
            return plugins.DriverFactory.load(self.driver if name is None else name, registry=registry)
        except DriverNotFound:
            if name is None and self.origins["driver"].kind == DEFAULT:
                raise DriverNotFound(
                    f"nothing is configured, and the default driver {DEFAULT_DRIVER!r} is not installed. Install it: "
                    f"{install_hint(DEFAULT_DRIVER)}, or set {spell(ENVIRONMENT, GENERAL, 'url')}"
                ) from None
            raise

    def driver_settings(self, name: str | None = None) -> DriverSettings:
        """The settings of a driver, found in the same places as all others; None is the configured driver.

        Raises:
            ConfigurationError: a wrong or unknown setting, or the driver is not installed or unusable.
        """
        loaded = self.load_driver(name)
        return build_settings(loaded.spec.settings_type, self._driver_values(loaded), loaded.spec.name)

    def open_driver(self, name: str | None = None, *, registry: "PluginRegistry | None" = None) -> Driver:
        """A driver with its settings, not connected; None is the configured driver.

        Raises:
            ConfigurationError: as `load_driver` and `driver_settings`.
        """
        return self.load_driver(name, registry=registry).open(self.driver_settings(name))

    def open_serializer(self, *, registry: "PluginRegistry | None" = None) -> Serializer:
        """The configured serializer.

        Raises:
            ConfigurationError: it is not installed, or its plugin is unusable.
        """
        return plugins.SerializerFactory.create(self.serializer, registry=registry)

    def event_sink_settings(self, name: str) -> PluginSettings:
        """The settings of one event sink.

        Raises:
            ConfigurationError: a wrong or unknown setting, or the sink is not installed or unusable.
        """
        loaded = plugins.EventSinkFactory.load(name)
        return build_settings(loaded.spec.settings_type, self._sink_values(loaded), f"events.{loaded.spec.name}")

    def open_event_sinks(self, *, registry: "PluginRegistry | None" = None) -> tuple[EventSink, ...]:
        """Every sink that is switched on, not open yet.

        Raises:
            ConfigurationError: one of them is not installed, unusable or wrongly set.
        """
        names = self.events.enabled_sinks
        return tuple(
            plugins.EventSinkFactory.load(name, registry=registry).open(self.event_sink_settings(name))
            for name in names
        )

    def shown(self) -> tuple[ShownSetting, ...]:
        """Every setting of the core, of the configured driver and of the sinks that are switched on: value, secrets
        masked, and origin.

        Raises:
            ConfigurationError: as `driver_settings` and `event_sink_settings`.
        """
        loaded = self.load_driver()
        general: dict[str, Any] = {name: getattr(self, name) for name in GeneralConfig.__struct_fields__}
        general["driver"] = loaded.spec.name
        rows = _rows(GENERAL, GeneralConfig(**general), self.origins)
        for group in GROUPS:
            rows += _rows(group, getattr(self, group), self.origins)
        values = self._driver_values(loaded)
        settings: PluginSettings = build_settings(loaded.spec.settings_type, values, loaded.spec.name)
        rows += _rows(loaded.spec.name, settings, _origins(loaded.spec.name, settings, values))
        for name in self.events.enabled_sinks:
            sink = plugins.EventSinkFactory.load(name)
            group, values = f"events.{sink.spec.name}", self._sink_values(sink)
            settings = build_settings(sink.spec.settings_type, values, group)
            rows += _rows(group, settings, _origins(group, settings, values))
        return tuple(rows)

    def _driver_values(self, loaded: "LoadedDriver") -> dict[str, SettingValue]:
        spec = loaded.spec
        urls = self._sources.urls_of(spec.name)
        from_urls = {kind: url_values(spec, url.value, url.origin) for kind, url in urls.items()}
        return self._sources.merged(loaded.plugin.names, spec.settings_type, from_urls)

    def _sink_values(self, loaded: "LoadedEventSink") -> dict[str, SettingValue]:
        spec = loaded.spec
        values: dict[str, SettingValue] = {}
        for own, field in (("channel", "channel"), (f"{spec.name}_url", "url")):
            given = getattr(self.events, own, None)
            if given is not None and field in spec.settings_type.__struct_fields__:
                values[field] = SettingValue(given, self.origins[f"events.{own}"])
        group = f"events.{spec.name}"
        in_code = config_values(spec.name, spec.settings_type, self.events.sink_settings.get(spec.name))
        return values | self._sources.merged((group,), spec.settings_type, {CODE: from_code(group, in_code)})


def resolve(
    code: Mapping[str, Any],
    *,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    dotenv_path: str | Path | None = ".env",
    choose_driver: bool = True,
) -> Config:
    """Put the configuration together. Imports no plugin, and reads nothing but what it is given.

    Args:
        code: Settings and groups by name. A group is an object, which is whole, or a mapping, which leaves what it
            does not name to the environment. None is "not set".
        flags: The command line's flags by their spelling, such as `--redis-url` or `--lease`; they win over all.
        environ: The environment; None is the process's.
        dotenv_path: The `.env` file; it need not exist. None reads none.
        choose_driver: False leaves open which driver is meant, whatever the places say: it is the default one then.

    Raises:
        ConfigurationError: an unknown or wrong setting: the message names the variable, argument or flag, the value
            unless it is secret, and what is allowed.
        DriverNotFound: the driver that is named is not installed.
    """
    environ = os.environ if environ is None else environ
    dotenv = read_dotenv(dotenv_path)
    names = KnownNames.read(environ)
    environment, ignored = read_variables(ENVIRONMENT, environ, names)
    from_dotenv, also_ignored = read_variables(DOTENV, dotenv, names)
    layers = (read_flags(flags or {}, names), read_code(code, names), environment, from_dotenv)
    sources = Sources(layers=layers, names=names, variables={**dotenv, **environ})

    values = sources.general()
    general = build_settings(GeneralConfig, values, GENERAL)
    origins = _origins(GENERAL, general, values)
    choice = sources.driver() if choose_driver else DriverChoice(DEFAULT_DRIVER, Origin(DEFAULT))
    origins["driver"] = choice.origin
    groups: dict[str, Any] = {}
    for group, settings_type in GROUPS.items():
        values = sources.merged((group,), settings_type)
        settings = groups[group] = build_settings(settings_type, values, group)
        settings.check()
        origins.update(_origins(group, settings, values))
    return Config(
        driver=choice.name,
        url=general.url,
        serializer=general.serializer,
        apps=general.apps,
        max_payload_bytes=general.max_payload_bytes,
        origins=origins,
        ignored_variables=tuple(sorted({*ignored, *also_ignored})),
        _sources=sources,
        **groups,
    )


def set_current(config: Config | None) -> None:
    """Make this the configuration of the process; None forgets it, so that the next `Config.get()` resolves anew."""
    _process.config = config


def set_flags(flags: Mapping[str, Any]) -> None:
    """The command line's flags, before the application is imported: its own `init()` must not undo them."""
    _process.flags = dict(flags)
    set_current(None)


class _Process:
    """What this process is configured with."""

    config: Config | None = None
    flags: Mapping[str, Any] = MappingProxyType({})


_process = _Process()


def _origins(group: str, settings: PluginSettings, values: Mapping[str, SettingValue]) -> dict[str, Origin]:
    default = Origin(DEFAULT)
    return {
        spell(CODE, group, name): values[name].origin if name in values else default
        for name in settings.__struct_fields__
    }


def _rows(group: str, settings: PluginSettings, origins: Mapping[str, Origin]) -> list[ShownSetting]:
    named = {spell(CODE, group, name): value for name, value in settings.redacted().items()}
    return [ShownSetting(name, value, origins[name]) for name, value in named.items()]
