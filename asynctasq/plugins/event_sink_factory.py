"""Event sinks by name."""

from collections.abc import Mapping
from typing import Any, cast

from msgspec import Struct

from asynctasq.contract.event_sink import EventSink
from asynctasq.errors import PluginInvalid
from asynctasq.plugins.discovery import InstalledPlugin, PluginKind, choose_plugin, installed_plugins
from asynctasq.plugins.driver_factory import open_plugin, plain_name
from asynctasq.plugins.plugin_registry import PluginRegistry
from asynctasq.plugins.plugin_settings import plugin_settings
from asynctasq.plugins.settings import PluginSettings
from asynctasq.plugins.specs import EventSinkSpec


class LoadedEventSink(Struct, frozen=True, kw_only=True):
    """An event sink's plugin, imported and accepted; no sink is made yet."""

    plugin: InstalledPlugin
    spec: EventSinkSpec

    def open(self, settings: PluginSettings) -> EventSink:
        """A sink that is not open yet. Synchronous, without I/O.

        Raises:
            ConfigurationError: the sink refused the settings.
            PluginLoadFailed, PluginInvalid: as for drivers.
        """
        sink = open_plugin(self.plugin, self.spec.open, settings)
        if not isinstance(sink, EventSink):
            raise PluginInvalid(f"{self.plugin}: open() gave {type(sink).__name__}; wanted an EventSink")
        return sink


class EventSinkFactory:
    """Makes event sinks. Only the one that is asked for is imported."""

    @staticmethod
    def create(
        name: str,
        config: PluginSettings | Mapping[str, Any] | None = None,
        *,
        distribution: str | None = None,
        **settings: Any,
    ) -> EventSink:
        """A sink that is not open yet: `await sink.open()` comes next.

        Args:
            name: Such as `jsonl`.
            config: The sink's settings, whole or in part.
            distribution: Which distribution's sink, where several offer the name.
            settings: Single settings; they win over `config`.

        Raises:
            DriverNotFound: no installed distribution offers it.
            ConfigurationError: a wrong setting.
            PluginConflict, PluginLoadFailed, PluginInvalid, IncompatiblePlugin: as for drivers.
        """
        loaded = EventSinkFactory.load(name, distribution=distribution)
        return loaded.open(plugin_settings(loaded.spec, config, settings))

    @staticmethod
    def load(name: str, *, distribution: str | None = None, registry: PluginRegistry | None = None) -> LoadedEventSink:
        """Import one sink's plugin without making a sink; `registry` is where the plugin is held.

        Raises:
            ConfigurationError: as `create`, but for the settings.
        """
        plugin = choose_plugin(PluginKind.EVENT_SINK, plain_name(name), distribution=distribution)
        spec = (registry or PluginRegistry()).load(plugin).spec
        return LoadedEventSink(plugin=plugin, spec=cast(EventSinkSpec, spec))

    @staticmethod
    def installed() -> tuple[InstalledPlugin, ...]:
        """Every event sink that is installed. Imports nothing."""
        return installed_plugins(PluginKind.EVENT_SINK)
