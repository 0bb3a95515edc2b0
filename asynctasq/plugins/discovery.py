"""Which plugins are installed, from the metadata of distributions alone: nothing is imported here.

`PluginManager.load_setuptools_entrypoints` is not used, because one broken plugin would end the loading of all, and
of two plugins with one name the first would win in silence.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING

from msgspec import Struct

from asynctasq.errors import DriverNotFound, PluginConflict
from asynctasq.plugins.closest_name import closest_name

if TYPE_CHECKING:
    from importlib.metadata import Distribution

CORE_DISTRIBUTION = "asynctasq"
BLOCK_LIST = "ASYNCTASQ_DISABLE_PLUGINS"
ALLOW_LIST = "ASYNCTASQ_PLUGINS"

OWN_DRIVERS: Mapping[str, str] = {
    "mariadb": "mysql",
    "mysql": "mysql",
    "postgres": "postgres",
    "postgresql": "postgres",
    "redis": "redis",
    "rediss": "redis",
    "sqlite": "sqlite",
    "unix": "redis",
}
"""The names of the drivers that are released with the core, and the extra that installs each. For messages alone."""

OWN_EVENT_SINKS = frozenset({"redis"})
"""Those of our own drivers that bring an event sink of the same name."""

_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*):"
_REQUIREMENT = r"^\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?$"


class PluginKind(Enum):
    """What a plugin offers. The value is the group of its entry points."""

    DRIVER = "asynctasq.drivers"
    SERIALIZER = "asynctasq.serializers"
    EVENT_SINK = "asynctasq.event_sinks"

    @property
    def noun(self) -> str:
        """The kind, in words."""
        return {"DRIVER": "driver", "SERIALIZER": "serializer", "EVENT_SINK": "event sink"}[self.name]


class InstalledPlugin(Struct, frozen=True, kw_only=True):
    """One entry point's value, with every name that leads to it."""

    kind: PluginKind
    names: tuple[str, ...]
    value: str
    """The module that the plugin is, as its entry points give it."""
    distribution: str
    version: str
    requires_core: str | None = None
    """The versions of asynctasq that the distribution says it needs, such as `>=2.1,<3`."""
    blocked: str | None = None
    """Why the operator's lists keep it from being loaded, or None."""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.value})"


def installed_plugins(
    kind: PluginKind | None = None, *, environ: Mapping[str, str] | None = None
) -> tuple[InstalledPlugin, ...]:
    """Every plugin that is installed, sorted by name, blocked ones included. Imports none of them.

    Args:
        kind: Only this kind; None is all.
        environ: Where the operator's lists are read from; None is the process's environment.
    """
    environ = os.environ if environ is None else environ
    kinds = tuple(PluginKind) if kind is None else (kind,)
    found = [plugin for each in _distributions() for plugin in _plugins_of(each, kinds, environ)]
    return tuple(sorted(found, key=lambda plugin: (plugin.kind.value, plugin.names, plugin.distribution)))


def choose_plugin(
    kind: PluginKind, name: str, *, distribution: str | None = None, environ: Mapping[str, str] | None = None
) -> InstalledPlugin:
    """The one installed plugin of this name. Metadata only.

    Args:
        kind: What is wanted.
        name: A plugin's name, one of its URL schemes, or a URL.
        distribution: Which distribution's plugin, where several offer the name.
        environ: Where the operator's lists are read from; None is the process's environment.

    Raises:
        DriverNotFound: nothing that is installed and not blocked has the name.
        PluginConflict: several distributions offer it.
    """
    plugins = installed_plugins(kind, environ=environ)
    for wanted in wanted_names(name):
        named = [plugin for plugin in plugins if wanted in plugin.names]
        if distribution is not None:
            named = [plugin for plugin in named if same_distribution(plugin.distribution, distribution)]
        usable = [plugin for plugin in named if plugin.blocked is None]
        if len(usable) > 1:
            raise PluginConflict(_conflict(kind, wanted, usable))
        if usable:
            return usable[0]
        if named:
            raise DriverNotFound(f"the {kind.noun} {wanted!r} is installed, by {named[0]}, but {named[0].blocked}")
    raise DriverNotFound(_not_found(kind, wanted_names(name)[-1], distribution, plugins))


def scheme_of(name_or_url: str) -> str | None:
    """The scheme in lower case if it is a URL, else None."""
    match = re.match(_SCHEME, name_or_url)
    return None if match is None else match[1].lower()


def wanted_names(name_or_url: str) -> tuple[str, ...]:
    """The names to look for, in order: the name, or the URL's scheme, then the scheme without its `+client`."""
    scheme = scheme_of(name_or_url)
    if scheme is None:
        return (name_or_url,)
    return (scheme, scheme.split("+", 1)[0]) if "+" in scheme else (scheme,)


def same_distribution(one: str, other: str) -> bool:
    """Whether two spellings name one distribution."""
    return _normalized(one) == _normalized(other)


def install_hint(name: str) -> str | None:
    """The command that installs one of our own drivers, or None for any other name."""
    extra = OWN_DRIVERS.get(name)
    return None if extra is None else f'pip install "asynctasq[{extra}]"'


def _distributions() -> Iterator["Distribution"]:
    """Every distribution that offers plugins, once. An editable install may be listed twice (by the folder it is
    developed in and by the environment): the first on the path counts, as it does for imports."""
    from importlib.metadata import distributions  # a fifth of the time to import asynctasq, and needed late

    seen: set[str] = set()
    for each in distributions():
        try:
            name = _name_if_it_offers_plugins(each)
        except (UnicodeError, ValueError, TypeError) as error:
            _pass_over(each, error)
            continue
        if name is not None and _normalized(name) not in seen:
            seen.add(_normalized(name))
            yield each


def _name_if_it_offers_plugins(distribution: "Distribution") -> str | None:
    text = distribution.read_text("entry_points.txt")
    if text is None or not any(kind.value in text for kind in PluginKind):
        return None
    if not (distribution.read_text("METADATA") or distribution.read_text("PKG-INFO")):
        return None  # what an interrupted uninstall leaves behind
    for entry in distribution.entry_points:
        _ = entry.name, entry.value  # all of them are read here, where a line that can't be is still told of
    return distribution.metadata["Name"]


def _pass_over(distribution: "Distribution", error: Exception) -> None:
    """Somebody's damaged metadata must not stop everybody else, and must not go unnoticed either."""
    import logging

    where = getattr(distribution, "_path", "a distribution")
    logging.getLogger("asynctasq.plugins").warning("the entry points in %s can't be read: %s", where, error)


def _plugins_of(
    distribution: "Distribution", kinds: Iterable[PluginKind], environ: Mapping[str, str]
) -> Iterator[InstalledPlugin]:
    name: str = distribution.metadata["Name"]
    entries = distribution.entry_points
    for kind in kinds:
        names_by_value: dict[str, list[str]] = {}
        for entry in entries:
            if entry.group == kind.value:
                names_by_value.setdefault(entry.value, []).append(entry.name)
        for value, names in names_by_value.items():
            unique = tuple(sorted(set(names)))
            yield InstalledPlugin(
                kind=kind,
                names=unique,
                value=value,
                distribution=name,
                version=distribution.version or "of unknown version",
                requires_core=_required_core(distribution),
                blocked=_blocked(unique, name, environ),
            )


def _blocked(names: Iterable[str], distribution: str, environ: Mapping[str, str]) -> str | None:
    """The lists name plugins or distributions. What the core itself ships needs no allowance: without a serializer
    nothing runs."""
    own = {*names, _normalized(distribution)}
    if own & _listed(environ, BLOCK_LIST):
        return f"blocked by {BLOCK_LIST}"
    allowed = _listed(environ, ALLOW_LIST)
    if allowed and not own & allowed and not same_distribution(distribution, CORE_DISTRIBUTION):
        return f"not in the allow-list {ALLOW_LIST}"
    return None


def _listed(environ: Mapping[str, str], variable: str) -> set[str]:
    """The names of a list as they are written, and normalized as names of distributions."""
    names = [part.strip() for part in environ.get(variable, "").split(",")]
    return {spelling for name in names if name for spelling in (name, _normalized(name))}


def _required_core(distribution: "Distribution") -> str | None:
    for requirement in distribution.requires or ():
        match = re.match(_REQUIREMENT, requirement)
        if match and same_distribution(match[1], CORE_DISTRIBUTION) and "extra" not in (match[3] or ""):
            return match[2].strip() or None
    return None


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _conflict(kind: PluginKind, name: str, plugins: Iterable[InstalledPlugin]) -> str:
    offers = " and ".join(str(plugin) for plugin in plugins)
    return (
        f"the {kind.noun} {name!r} is offered by {offers}. Uninstall one, name it in {BLOCK_LIST}, "
        'or choose in code with `distribution="..."`'
    )


def _not_found(kind: PluginKind, name: str, distribution: str | None, plugins: Iterable[InstalledPlugin]) -> str:
    names = sorted({name for plugin in plugins if plugin.blocked is None for name in plugin.names})
    offered = f" by the distribution {distribution!r}" if distribution else ""
    message = f"no {kind.noun} {name!r} is installed{offered}. Installed: {', '.join(names) or 'none'}"
    close = closest_name(name, {*names, *(OWN_DRIVERS if kind is PluginKind.DRIVER else ())})
    if close is not None and close != name:
        message += f"; did you mean {close}?"
    is_ours = kind is PluginKind.DRIVER or (kind is PluginKind.EVENT_SINK and name in OWN_EVENT_SINKS)
    hint = install_hint(close or name) if is_ours and close not in names else None
    return f"{message}. Install it: {hint}" if hint else message


def core_version() -> str:
    """The version of asynctasq that is running."""
    from importlib.metadata import version

    return version(CORE_DISTRIBUTION)
