"""Serializers by name or content type."""

from typing import cast

from asynctasq.contract.serializer import Serializer
from asynctasq.errors import PluginInvalid
from asynctasq.plugins.discovery import InstalledPlugin, PluginKind, choose_plugin, installed_plugins
from asynctasq.plugins.driver_factory import open_plugin, plain_name
from asynctasq.plugins.plugin_registry import PluginRegistry
from asynctasq.plugins.specs import SerializerSpec


class SerializerFactory:
    """Makes serializers. Only the one that is asked for is imported."""

    @staticmethod
    def create(
        name_or_content_type: str, *, distribution: str | None = None, registry: PluginRegistry | None = None
    ) -> Serializer:
        """A serializer.

        Args:
            name_or_content_type: Its name (`json`), or what a frame's header says. Both are names of entry points, so
                only what the operator installed can be picked.
            distribution: Which distribution's serializer, where several offer the name.
            registry: Where the plugin is held, so that its extension hooks are called; None is nowhere.

        Raises:
            DriverNotFound: no installed distribution offers it.
            PluginConflict, PluginLoadFailed, PluginInvalid, IncompatiblePlugin: as for drivers.
        """
        plugin = choose_plugin(PluginKind.SERIALIZER, plain_name(name_or_content_type), distribution=distribution)
        spec = cast(SerializerSpec, (registry or PluginRegistry()).load(plugin).spec)
        serializer = open_plugin(plugin, spec.open)
        if not isinstance(serializer, Serializer):
            raise PluginInvalid(f"{plugin}: open() gave {type(serializer).__name__}; wanted a Serializer")
        if serializer.content_type != spec.content_type:
            raise PluginInvalid(
                f"{plugin}: the serializer's content type is {serializer.content_type!r}; "
                f"wanted {spec.content_type!r}, as its spec says"
            )
        return serializer

    @staticmethod
    def installed() -> tuple[InstalledPlugin, ...]:
        """Every serializer that is installed. Imports nothing."""
        return installed_plugins(PluginKind.SERIALIZER)
