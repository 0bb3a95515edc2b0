"""Imports the plugins that were asked for, checks them, and holds those that were accepted."""

import logging
from typing import Any

from msgspec import Struct

from asynctasq.errors import PluginLoadFailed
from asynctasq.plugins.discovery import InstalledPlugin, PluginKind
from asynctasq.plugins.extension_hooks import ExtensionHooks
from asynctasq.plugins.plugin_validation import Spec, check_name, new_manager, requirement_note, validated_spec
from asynctasq.plugins.specs import DecodedValue, TaggedValue

_logger = logging.getLogger("asynctasq.plugins")


class LoadedPlugin(Struct, frozen=True, kw_only=True):
    """A plugin that was imported and accepted."""

    plugin: InstalledPlugin
    module: Any
    spec: Spec


class PluginRegistry:
    """The plugins that one application uses. Nothing is in it that was not asked for by name."""

    def __init__(self) -> None:
        self._manager = new_manager()
        self._loaded: dict[tuple[PluginKind, str, str], LoadedPlugin] = {}
        self._extensions = ExtensionHooks(self._manager)

    @property
    def loaded(self) -> tuple[LoadedPlugin, ...]:
        """Every plugin that was accepted, in order of loading."""
        return tuple(self._loaded.values())

    def load(self, plugin: InstalledPlugin) -> LoadedPlugin:
        """Import the plugin and take it in; a second call gives the same object. No other plugin is imported.

        Raises:
            PluginLoadFailed: importing it failed, or its hook did.
            IncompatiblePlugin: it was written for another version of the plugin API.
            PluginInvalid: its hooks or its spec are not what the specifications ask for.
        """
        key = (plugin.kind, plugin.value, plugin.distribution)
        if key not in self._loaded:
            check_name(plugin)
            module = _imported(plugin)
            loaded = LoadedPlugin(plugin=plugin, module=module, spec=validated_spec(plugin, module))
            self._register(plugin, module)
            self._loaded[key] = loaded
            self._announce(module)
        return self._loaded[key]

    def unload(self, plugin: InstalledPlugin) -> None:
        """Drop the plugin, so that none of its hooks is called again. Without effect if it is not loaded."""
        loaded = self._loaded.pop((plugin.kind, plugin.value, plugin.distribution), None)
        if loaded is not None and all(other.module is not loaded.module for other in self._loaded.values()):
            self._manager.unregister(loaded.module)
            self._extensions.forget()

    def encode_extension(self, value: object) -> TaggedValue | None:
        """The value as one of the loaded plugins tags it, or None if none knows its type.

        Raises:
            SerializationError: the plugin that knows the type failed.
        """
        return self._extensions.encode(value)

    def decode_extension(self, tag: str, data: Any) -> DecodedValue | None:
        """The boxed value of a tag, or None if none of the loaded plugins knows the tag.

        Raises:
            DeserializationError: the plugin that knows the tag failed.
        """
        return self._extensions.decode(tag, data)

    def _register(self, plugin: InstalledPlugin, module: object) -> None:
        if self._manager.is_registered(module):
            return  # one module may offer a driver and an event sink
        try:
            self._manager.register(module, name=f"{plugin.distribution} ({plugin.value})")
        except Exception as error:
            # Registering calls asynctasq_plugin_loaded for the plugins that came earlier.
            if self._manager.is_registered(module):
                self._manager.unregister(module)
            raise PluginLoadFailed(f"{plugin} failed when it was told of other plugins: {error}") from error
        self._extensions.forget()

    def _announce(self, module: object) -> None:
        try:
            self._manager.hook.asynctasq_plugin_loaded.call_historic(kwargs={"plugin": module})
        except Exception:
            # Whoever listens never harms the plugin that it is told of.
            _logger.exception("a plugin's asynctasq_plugin_loaded failed")


def _imported(plugin: InstalledPlugin) -> Any:
    from importlib.metadata import EntryPoint  # late, as in discovery

    entry = EntryPoint(name=plugin.names[0], value=plugin.value, group=plugin.kind.value)
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        raise PluginLoadFailed(
            f"{plugin} could not be imported: {type(error).__name__}: {error}{requirement_note(plugin)}"
        ) from error
