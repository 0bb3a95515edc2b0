"""What a plugin must be before it is accepted. Each check raises with the distribution, its version and the cure."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, cast

import msgspec
import pluggy

from asynctasq.contract.features import FEATURE_NAMES
from asynctasq.contract.traits import Guarantee
from asynctasq.errors import AsyncTasqError, IncompatiblePlugin, PluginInvalid, PluginLoadFailed
from asynctasq.plugins import hookspecs
from asynctasq.plugins.api_version import API_VERSION
from asynctasq.plugins.closest_name import closest_name
from asynctasq.plugins.discovery import CORE_DISTRIBUTION, InstalledPlugin, PluginKind, core_version
from asynctasq.plugins.reserved_names import RESERVED_DRIVER_NAMES
from asynctasq.plugins.settings import DriverSettings, PluginSettings
from asynctasq.plugins.specs import DriverSpec, EventSinkSpec, SerializerSpec

Spec = DriverSpec | SerializerSpec | EventSinkSpec

_HOOK_PREFIX = f"{hookspecs.PROJECT}_"
_HOOKS: Mapping[PluginKind, tuple[str, type[Any]]] = {
    PluginKind.DRIVER: ("asynctasq_driver_specs", DriverSpec),
    PluginKind.SERIALIZER: ("asynctasq_serializer_specs", SerializerSpec),
    PluginKind.EVENT_SINK: ("asynctasq_event_sink_specs", EventSinkSpec),
}
_DRIVER_NAME = re.compile(r"[a-z][a-z0-9]*")
_PLUGIN_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_CONTENT_TYPE = re.compile(r"[!-~]{1,40}")
_VERSION = re.compile(r"[0-9]+\.[0-9]+")


def new_manager() -> pluggy.PluginManager:
    """A pluggy manager that knows our hooks and holds no plugin."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def validated_spec(plugin: InstalledPlugin, module: object) -> Spec:
    """What the plugin offers, checked.

    The plugin is tried in a manager of its own: in a shared one, pluggy would blame a later plugin for its faults.

    Raises:
        PluginLoadFailed: its hook failed.
        IncompatiblePlugin: it was written for another version of the plugin API.
        PluginInvalid: its hooks or its spec are not what the specifications ask for.
    """
    check_name(plugin)
    manager = new_manager()
    try:
        manager.register(module, name=plugin.value)
    except pluggy.PluginValidationError as error:
        refuse(plugin, " ".join(str(error).split()))
    hook, spec_type = _HOOKS[plugin.kind]
    offered = _offered_specs(plugin, getattr(manager.hook, hook))
    for spec in offered:
        if isinstance(spec, spec_type):
            _check_api_version(plugin, spec)
    _check_hooks(plugin, module, manager)
    if len(offered) != 1 or not isinstance(offered[0], spec_type):
        found = ", ".join(type(spec).__name__ for spec in offered) or "none"
        refuse(plugin, f"{hook}() gave {len(offered)} specs ({found}); wanted exactly one {spec_type.__name__}")
    _CHECKS[plugin.kind](plugin, offered[0])
    return offered[0]


def check_name(plugin: InstalledPlugin) -> None:
    """A driver's names become prefixes of variables and flags, so those of the core are refused unseen."""
    if plugin.kind is PluginKind.DRIVER:
        for name in plugin.names:
            if name in RESERVED_DRIVER_NAMES:
                refuse(plugin, f"the name {name!r} is a word of asynctasq's own settings; choose another")


def refuse(plugin: InstalledPlugin, reason: str) -> NoReturn:
    """Raise `PluginInvalid` for this plugin."""
    raise PluginInvalid(f"{plugin} is not a valid {plugin.kind.noun}: {reason}{requirement_note(plugin)}")


def requirement_note(plugin: InstalledPlugin) -> str:
    """Which asynctasq the distribution asks for: a plugin that is too new for this one often fails in odd ways."""
    if plugin.requires_core is None or plugin.distribution == CORE_DISTRIBUTION:
        return ""
    return f" ({plugin.distribution} requires {CORE_DISTRIBUTION}{plugin.requires_core}; installed is {core_version()})"


def _offered_specs(plugin: InstalledPlugin, hook: Callable[[], list[Any]]) -> list[Any]:
    try:
        results = hook()
    except Exception as error:
        raise PluginLoadFailed(
            f"{plugin} failed to describe its {plugin.kind.noun}: {type(error).__name__}: {error}"
            f"{requirement_note(plugin)}"
        ) from error
    offered: list[Any] = []
    for result in results:
        if not isinstance(result, list | tuple):
            refuse(plugin, f"its hook gave {type(result).__name__}; wanted a list of specs")
        offered.extend(cast("Iterable[Any]", result))
    return offered


def _check_api_version(plugin: InstalledPlugin, spec: Spec) -> None:
    written_for = spec.api_version
    _require(plugin, _matches(_VERSION, written_for), "api_version", written_for, f'a string such as "{API_VERSION}"')
    major, minor = (int(part) for part in written_for.split("."))
    core_major, core_minor = (int(part) for part in API_VERSION.split("."))
    if major == core_major and minor <= core_minor:
        return
    newer = (major, minor) > (core_major, core_minor)
    upgrade = CORE_DISTRIBUTION if newer else plugin.distribution
    raise IncompatiblePlugin(
        f"{plugin} was written for plugin API {written_for}, and asynctasq {core_version()} speaks {API_VERSION}. "
        f"Upgrade {upgrade}: pip install --upgrade {upgrade}{requirement_note(plugin)}"
    )


def _check_hooks(plugin: InstalledPlugin, module: object, manager: pluggy.PluginManager) -> None:
    known = [name for name in vars(hookspecs) if name.startswith(_HOOK_PREFIX)]
    for name in dir(module):
        if not name.startswith(_HOOK_PREFIX) or not callable(getattr(module, name)):
            continue
        options = manager.parse_hookimpl_opts(module, name)
        if options is None:
            refuse(plugin, f"the function {name}() has no @hookimpl, so it would never be called; add it or rename it")
        hook = options["specname"] or name
        if hook not in known:
            close = closest_name(hook, known)
            refuse(plugin, f"there is no hook {hook}" + ("" if close is None else f"; did you mean {close}?"))
        if options["wrapper"] or options["hookwrapper"]:
            refuse(plugin, f"{name}() wraps a hook; a plugin answers for itself alone, so remove the wrapper option")
    # Functions under another name, with @hookimpl(specname=...), are left.
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        refuse(plugin, " ".join(str(error).split()))


def _require(plugin: InstalledPlugin, holds: bool, field: str, found: object, wanted: str) -> None:
    if not holds:
        refuse(plugin, f"{field} is {found!r}; wanted {wanted}")


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _are_schemes(value: object) -> bool:
    return isinstance(value, tuple) and all(_matches(_SCHEME, each) for each in cast("tuple[object, ...]", value))


def _is_set_of(value: object, allowed: Iterable[object]) -> bool:
    return isinstance(value, frozenset) and value <= frozenset(allowed)


def _check_driver(plugin: InstalledPlugin, spec: DriverSpec) -> None:
    _require(plugin, _matches(_DRIVER_NAME, spec.name), "name", spec.name, "[a-z][a-z0-9]*")
    if spec.name in RESERVED_DRIVER_NAMES:
        refuse(plugin, f"the name {spec.name!r} is a word of asynctasq's own settings; choose another")
    are_schemes = _are_schemes(spec.url_schemes)
    _require(plugin, are_schemes, "url_schemes", spec.url_schemes, "a tuple of URL schemes")
    plain = {scheme for scheme in spec.url_schemes if "+" not in scheme}
    _check_entries(plugin, {spec.name, *plain}, {spec.name, *spec.url_schemes})
    _check_settings_type(plugin, spec.settings_type, DriverSettings)
    url_field = spec.settings_type.url_field
    has_field = url_field is None or url_field in spec.settings_type.__struct_fields__
    _require(plugin, has_field, "settings_type.url_field", url_field, "one of its fields, or None")
    _require(plugin, callable(spec.open), "open", spec.open, "a function of the settings")
    _require(plugin, _is_set_of(spec.guarantees, Guarantee), "guarantees", spec.guarantees, "a frozenset of Guarantee")
    allowed = ", ".join(sorted(FEATURE_NAMES))
    _require(plugin, _is_set_of(spec.features, FEATURE_NAMES), "features", spec.features, f"a frozenset of {allowed}")
    loops = spec.event_loops
    knows_loops = bool(loops) and _is_set_of(loops, ("asyncio", "trio"))
    _require(plugin, knows_loops, "event_loops", loops, "a frozenset of asyncio, trio or both")


def _check_serializer(plugin: InstalledPlugin, spec: SerializerSpec) -> None:
    _require(plugin, _matches(_PLUGIN_NAME, spec.name), "name", spec.name, "[a-z][a-z0-9_-]*")
    is_type = _matches(_CONTENT_TYPE, spec.content_type)
    _require(plugin, is_type, "content_type", spec.content_type, "1 to 40 ASCII characters")
    _check_entries(plugin, {spec.name, spec.content_type}, {spec.name, spec.content_type})
    _require(plugin, callable(spec.open), "open", spec.open, "a function without parameters")


def _check_event_sink(plugin: InstalledPlugin, spec: EventSinkSpec) -> None:
    _require(plugin, _matches(_PLUGIN_NAME, spec.name), "name", spec.name, "[a-z][a-z0-9_-]*")
    _check_entries(plugin, {spec.name}, {spec.name})
    _check_settings_type(plugin, spec.settings_type, PluginSettings)
    _require(plugin, callable(spec.open), "open", spec.open, "a function of the settings")


def _check_entries(plugin: InstalledPlugin, needed: set[str], allowed: set[str]) -> None:
    """Discovery reads metadata alone, so what the spec says must stand in the entry points, and nothing else."""
    if missing := needed - set(plugin.names):
        refuse(plugin, f"its entry points lack the names {', '.join(sorted(missing))}, which its spec gives")
    if surplus := set(plugin.names) - allowed:
        refuse(plugin, f"its entry points have the names {', '.join(sorted(surplus))}, which its spec does not give")


def _check_settings_type(plugin: InstalledPlugin, settings_type: object, base: type) -> None:
    derives = isinstance(settings_type, type) and issubclass(settings_type, base)
    _require(plugin, derives, "settings_type", settings_type, f"a class that derives from {base.__name__}")
    if not cast("type[PluginSettings]", settings_type).__struct_config__.forbid_unknown_fields:
        refuse(plugin, "settings_type switched forbid_unknown_fields off; wanted it on, so that typing errors show")
    try:
        msgspec.structs.fields(cast("type[PluginSettings]", settings_type))
    except (NameError, TypeError, AsyncTasqError) as error:
        refuse(plugin, f"the annotations of settings_type can't be read: {error}")


_CHECKS: Mapping[PluginKind, Callable[[InstalledPlugin, Any], None]] = {
    PluginKind.DRIVER: _check_driver,
    PluginKind.SERIALIZER: _check_serializer,
    PluginKind.EVENT_SINK: _check_event_sink,
}
