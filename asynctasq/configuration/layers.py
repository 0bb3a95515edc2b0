"""The places that settings come from: each is read into a layer, group by group."""

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from asynctasq.configuration.groups import GROUPS, GeneralConfig
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.closest_name import closest_name
from asynctasq.plugins.discovery import ALLOW_LIST, BLOCK_LIST, OWN_DRIVERS, PluginKind, installed_plugins
from asynctasq.plugins.setting_values import (
    CODE,
    DOTENV,
    ENVIRONMENT_PREFIX,
    FLAG,
    Origin,
    SettingValue,
    spell,
    unknown_setting,
)
from asynctasq.plugins.settings import DriverSettings, PluginSettings

GENERAL = ""
"""The group of the settings that belong to none."""

SHORT_FLAGS = {
    "app": "apps",
    "worker_id": "worker_worker_id",
    **{
        name: f"worker_{name}"
        for name in (
            "burst", "concurrency", "grace", "health_host", "health_port", "lease", "log_format", "log_level",
            "max_tasks", "poll_interval", "queues",
        )
    },
}  # fmt: skip
"""Flags that leave the group out."""
_SHORT_VARIABLES = {"app": "apps", "worker_id": "worker_worker_id"}
_BEGINS_WITH_OUR_NAME = re.compile(rf"\s*(?:export\s+)?['\"]?{ENVIRONMENT_PREFIX}")


def short_flag(name: str) -> str | None:
    """The flag without its group of a setting such as `worker.lease`; None if there is none."""
    long = name.replace(".", "_")
    return next(("--" + flag.replace("_", "-") for flag, of in SHORT_FLAGS.items() if of == long), None)


class Layer(Struct, frozen=True, kw_only=True):
    """What one place says."""

    kind: str
    values: dict[str, dict[str, SettingValue]] = {}
    """Group -> field -> value, as found."""
    objects: dict[str, PluginSettings] = {}
    """Groups that code gave whole."""

    def has(self, group: str) -> bool:
        """Whether this place says anything of the group."""
        return group in self.objects or group in self.values

    def put(self, group: str, field: str, found: SettingValue) -> None:
        """Take one value in.

        Raises:
            ConfigurationError: the same setting is here already, under another name.
        """
        fields = self.values.setdefault(group, {})
        if field in fields:
            raise ConfigurationError(
                f"{fields[field].origin.name} and {found.origin.name} set the same; wanted one of them"
            )
        fields[field] = found


class KnownNames(Struct, frozen=True, kw_only=True):
    """The first words that settings may have, from the metadata of what is installed."""

    drivers: tuple[frozenset[str], ...]
    """The names of each driver."""
    sinks: frozenset[str]

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "KnownNames":
        """Look at what is installed, and at our own drivers, which are known even where they are missing."""
        drivers = [frozenset(plugin.names) for plugin in installed_plugins(PluginKind.DRIVER, environ=environ)]
        installed = frozenset[str]().union(*drivers)
        for extra in sorted(set(OWN_DRIVERS.values()) - installed):
            drivers.append(frozenset(name for name, of in OWN_DRIVERS.items() if of == extra and name not in installed))
        sinks = {name for plugin in installed_plugins(PluginKind.EVENT_SINK, environ=environ) for name in plugin.names}
        return cls(drivers=tuple(dict.fromkeys(drivers)), sinks=frozenset(sinks))

    @property
    def driver_names(self) -> frozenset[str]:
        """All names of all drivers."""
        return frozenset[str]().union(*self.drivers)

    def aliases(self, name: str) -> frozenset[str]:
        """Every name of the driver that has this one."""
        return frozenset[str]().union(*(names for names in self.drivers if name in names)) | {name}

    def split(self, name: str) -> tuple[str, str] | None:
        """`redis_url` -> group `redis` and field `url`; None if it begins with no group."""
        if name in GeneralConfig.__struct_fields__ or name == "url_file":
            return GENERAL, name
        group = next((group for group in GROUPS if name == group or name.startswith(f"{group}_")), None)
        if group is None:
            first, _, field = name.partition("_")
            return (first, field) if first in self.driver_names else None
        field = name[len(group) + 1 :]
        if group == "events" and field not in GROUPS[group].__struct_fields__:
            longest_first = sorted(self.sinks, key=len, reverse=True)
            sink = next((sink for sink in longest_first if field.startswith(f"{sink.replace('-', '_')}_")), None)
            if sink is not None:
                return f"events.{sink}", field[len(sink) + 1 :]
        return group, field


def read_variables(kind: str, variables: Mapping[str, str], names: KnownNames) -> tuple[Layer, tuple[str, ...]]:
    """A layer of variables, and the names of those that begin with `ASYNCTASQ_` and mean nothing here. An empty
    variable is one that is not set.

    Raises:
        ConfigurationError: a variable looks like a misspelt one, or must not stand in `.env`.
    """
    layer = Layer(kind=kind)
    ignored: list[str] = []
    for variable, text in variables.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or text == "":
            continue
        if variable in (ALLOW_LIST, BLOCK_LIST):
            _refuse_in_dotenv(kind, variable)
            continue
        name = variable[len(ENVIRONMENT_PREFIX) :].lower()
        where = names.split(_SHORT_VARIABLES.get(name, name))
        origin = Origin(kind, variable)
        if where is None:
            _refuse_misspelt(origin, name, names)
            ignored.append(variable)
        else:
            layer.put(*where, SettingValue(text, origin))
    return layer, tuple(sorted(ignored))


def read_dotenv(path: str | Path | None) -> dict[str, str]:
    """The variables of a `.env` file; none if there is no such file.

    Raises:
        ConfigurationError: the file can't be read, or a line of it that begins with a name of ours sets nothing.
    """
    if path is None or not Path(path).is_file():
        return {}
    from dotenv import dotenv_values  # only those who have such a file pay for it

    try:
        _refuse_unreadable_lines(Path(path))
        return {name: text for name, text in dotenv_values(path, encoding="utf-8").items() if text is not None}
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(
            f"{path} can't be read ({why}); wanted a text file in UTF-8 that this process may read"
        ) from error


def _refuse_unreadable_lines(path: Path) -> None:
    """A line without `=` that begins with a name of ours sets nothing, and nobody would notice. Its text is not shown:
    it may hold a secret."""
    from dotenv.parser import parse_stream

    with path.open(encoding="utf-8") as lines:
        for binding in parse_stream(lines):
            sets_nothing = binding.error or (binding.key is not None and binding.value is None)
            text = binding.original.string
            if sets_nothing and _BEGINS_WITH_OUR_NAME.match(text):
                blank_lines = text[: len(text) - len(text.lstrip())].count("\n")
                raise ConfigurationError(
                    f"line {binding.original.line + blank_lines} of {path} sets nothing; wanted a line such as "
                    f"{ENVIRONMENT_PREFIX}URL=sqlite:///tasks.db, or a comment"
                )


def read_code(code: Mapping[str, Any], names: KnownNames) -> Layer:
    """A layer of what a program passes; None is "not set".

    Raises:
        ConfigurationError: a key that is no setting, group or driver, or a group that is neither object nor mapping.
    """
    layer = Layer(kind=CODE)
    known = {*GeneralConfig.__struct_fields__, *GROUPS, *names.driver_names}
    for key, value in code.items():
        if value is None:
            continue
        if key in GeneralConfig.__struct_fields__:
            plain = value.value if isinstance(value, Enum) else value
            layer.put(GENERAL, key, SettingValue(plain, Origin(CODE, spell(CODE, GENERAL, key))))
        elif key not in known:
            raise ConfigurationError(_unknown_key(key, known))
        elif isinstance(value, Mapping):
            layer.values.setdefault(key, {})  # an empty mapping chooses the driver as well
            for field, given in cast("Mapping[object, Any]", value).items():
                layer.put(key, str(field), SettingValue(given, Origin(CODE, spell(CODE, key, str(field)))))
        elif isinstance(value, GROUPS.get(key, DriverSettings)):
            layer.objects[key] = value
        else:
            wanted = GROUPS[key].__name__ if key in GROUPS else "the driver's settings"
            raise ConfigurationError(f"{key} is of type {type(value).__name__}; wanted {wanted} or a mapping")
    return layer


def read_flags(flags: Mapping[str, Any], names: KnownNames) -> Layer:
    """A layer of command-line flags, by their spelling (`--redis-url`); None is "not given".

    Raises:
        ConfigurationError: a flag that belongs to no setting.
    """
    layer = Layer(kind=FLAG)
    for flag, value in flags.items():
        if value is None:
            continue
        name = flag.removeprefix("--").replace("-", "_")
        where = names.split(SHORT_FLAGS.get(name, name))
        origin = Origin(FLAG, flag)
        if where is None:
            raise ConfigurationError(unknown_setting(origin, GENERAL, name, GeneralConfig.__struct_fields__))
        layer.put(*where, SettingValue(value, origin))
    return layer


def _refuse_in_dotenv(kind: str, variable: str) -> None:
    if kind == DOTENV:
        raise ConfigurationError(
            f"{variable} stands in .env; wanted it in the environment: a file in the current folder must not decide "
            "which plugins may be loaded"
        )


def _refuse_misspelt(origin: Origin, name: str, names: KnownNames) -> None:
    """Variables of other tools may begin with our prefix, so only those that look like ours are errors."""
    first_words: Iterable[str] = {*GeneralConfig.__struct_fields__, *GROUPS, *names.driver_names}
    for words in range(1, name.count("_") + 2):
        head = "_".join(name.split("_")[:words])
        close = closest_name(head, first_words, cutoff=0.85)
        if close is not None and close != head:
            tail = name[len(head) :]
            meant = spell(origin.kind, GENERAL, close + tail)
            raise ConfigurationError(f"{origin.name} is no setting of asynctasq; did you mean {meant}?")


def _unknown_key(key: str, known: Iterable[str]) -> str:
    close = closest_name(key, known)
    if close is not None:
        return f"{key!r} is no setting, no group and no installed driver; did you mean {close!r}?"
    return (
        f"{key!r} is no setting, no group and no installed driver. There are {', '.join(sorted(known))}; "
        "a driver that is not listed must be installed first"
    )
