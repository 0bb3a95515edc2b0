"""What becomes of every installed plugin, for `asynctasq plugins --check`."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from asynctasq.errors import ConfigurationError, IncompatiblePlugin
from asynctasq.plugins.discovery import InstalledPlugin, installed_plugins
from asynctasq.plugins.plugin_registry import PluginRegistry


class LoadStatus(StrEnum):
    """What became of one plugin."""

    LOADED = "LOADED"
    FAILED = "FAILED"
    """Its import or its hook failed, or what it offers is not valid."""
    CONFLICT = "CONFLICT"
    """Another distribution offers one of its names."""
    INCOMPATIBLE = "INCOMPATIBLE"
    """It was written for a version of the plugin API that this core does not speak."""
    BLOCKED = "BLOCKED"
    """The operator's lists keep it out. It was not imported, and that is no trouble."""


class PluginReport(Struct, frozen=True, kw_only=True):
    """One plugin, and what became of it."""

    plugin: InstalledPlugin
    status: LoadStatus
    reason: str = ""

    @property
    def is_trouble(self) -> bool:
        """Whether somebody should do something about it."""
        return self.status in (LoadStatus.FAILED, LoadStatus.CONFLICT, LoadStatus.INCOMPATIBLE)


def check_plugins() -> tuple[PluginReport, ...]:
    """Load every plugin that is installed and not blocked, each in a registry of its own, and tell how it went.

    Never raises for a plugin's sake: that is what the report is for.
    """
    plugins = installed_plugins()
    return tuple(_report(plugin, plugins) for plugin in plugins)


def _report(plugin: InstalledPlugin, plugins: Iterable[InstalledPlugin]) -> PluginReport:
    if plugin.blocked is not None:
        return PluginReport(plugin=plugin, status=LoadStatus.BLOCKED, reason=plugin.blocked)
    try:
        PluginRegistry().load(plugin)
    except IncompatiblePlugin as error:
        return PluginReport(plugin=plugin, status=LoadStatus.INCOMPATIBLE, reason=str(error))
    except ConfigurationError as error:
        return PluginReport(plugin=plugin, status=LoadStatus.FAILED, reason=str(error))
    if rivals := _rivals(plugin, plugins):
        return PluginReport(plugin=plugin, status=LoadStatus.CONFLICT, reason="; ".join(rivals))
    return PluginReport(plugin=plugin, status=LoadStatus.LOADED)


def _rivals(plugin: InstalledPlugin, plugins: Iterable[InstalledPlugin]) -> list[str]:
    return [
        f"the name {name!r} is offered by {other} as well"
        for other in plugins
        if other != plugin and other.kind is plugin.kind and other.blocked is None
        for name in sorted(set(other.names) & set(plugin.names))
    ]
