"""All places together: what counts for one group, and which driver is meant."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import Struct, structs

from asynctasq.configuration.groups import GeneralConfig
from asynctasq.configuration.layers import GENERAL, KnownNames, Layer
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.discovery import PluginKind, choose_plugin, wanted_names
from asynctasq.plugins.setting_values import CODE, DEFAULT, DOTENV, ENVIRONMENT, Origin, SettingValue, place, spell
from asynctasq.plugins.settings import PluginSettings, redact_url, secret_marks

DEFAULT_DRIVER = "sqlite"
_FILE_SUFFIX = "_file"
_VARIABLE_PREFIX = "env:"


class DriverChoice(NamedTuple):
    """Which driver is meant, by which of its names, and who says so."""

    name: str
    origin: Origin


class Sources(Struct, frozen=True, kw_only=True):
    """Every place, the strongest first."""

    layers: tuple[Layer, ...]
    names: KnownNames
    variables: Mapping[str, str]
    """What `env:NAME` looks into: the environment, then `.env`."""

    def __repr__(self) -> str:
        return f"Sources({', '.join(layer.kind for layer in self.layers)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("layers", [layer.kind for layer in self.layers])]

    def merged(
        self,
        groups: Iterable[str],
        settings_type: type[PluginSettings],
        added: Mapping[str, Mapping[str, SettingValue]] | None = None,
    ) -> dict[str, SettingValue]:
        """The strongest value of every field that any place sets.

        Args:
            groups: The group, by each of its names.
            settings_type: Says which fields may be read from a file or another variable.
            added: Kind of layer -> what else that place sets, such as by the URL that stands there.

        Raises:
            ConfigurationError: one place sets a field twice, or a file or variable can't be read.
        """
        merged: dict[str, SettingValue] = {}
        for layer in reversed(self.layers):
            fields = self._of_layer(layer, tuple(groups), settings_type)
            for name, found in (added or {}).get(layer.kind, {}).items():
                if name in fields and fields[name].value != found.value:
                    raise ConfigurationError(
                        f"{found.origin.name} and {fields[name].origin.name} both set `{name}`, to different values; "
                        "wanted one of them"
                    )
                fields[name] = found
            for name, found in fields.items():
                merged[name] = _stronger(found, merged.get(name))
        return merged

    def general(self) -> dict[str, SettingValue]:
        """The settings that belong to no group."""
        return self.merged((GENERAL,), GeneralConfig)

    def urls(self) -> dict[str, SettingValue]:
        """Kind of layer -> the URL for all that stands there."""
        found = {layer.kind: self._of_layer(layer, (GENERAL,), GeneralConfig).get("url") for layer in self.layers}
        for value in found.values():
            if value is not None and not isinstance(value.value, str):
                raise ConfigurationError(f"{place(value.origin)} is of type {type(value.value).__name__}; wanted a URL")
        return {kind: value for kind, value in found.items() if value is not None}

    def driver(self) -> DriverChoice:
        """Which driver is meant: the strongest place that names one or has a URL decides. If none does, the one
        driver that has settings anywhere, or else the default.

        Raises:
            ConfigurationError: one place contradicts itself, or several drivers have settings.
            DriverNotFound: no such driver is installed.
            PluginConflict: several distributions offer it.
        """
        urls = self.urls()
        for layer in self.layers:
            named = layer.values.get(GENERAL, {}).get("driver")
            url = urls.get(layer.kind)
            if named is not None:
                name = self._checked_name(named)
                if url is not None and not self._picks(url, name):
                    raise ConfigurationError(
                        f"{place(named.origin)} is {name!r}, but {place(url.origin)} is {redact_url(url.value)}, "
                        "which is another driver's; wanted one of them"
                    )
                return DriverChoice(name, named.origin)
            if url is not None:
                return DriverChoice(self._checked_name(url), url.origin)
        return self._only_configured()

    def urls_of(self, name: str) -> dict[str, SettingValue]:
        """Kind of layer -> the URL that stands there, for those whose scheme picks this driver."""
        return {kind: url for kind, url in self.urls().items() if self._picks(url, name)}

    def _checked_name(self, found: SettingValue) -> str:
        if not isinstance(found.value, str):
            raise ConfigurationError(f"{place(found.origin)} is {found.value!r}; wanted the name of a driver")
        plugin = choose_plugin(PluginKind.DRIVER, found.value, environ=self.variables)
        return next(name for name in wanted_names(found.value) if name in plugin.names)

    def _picks(self, url: SettingValue, name: str) -> bool:
        return bool(self.names.aliases(name) & set(wanted_names(url.value)))

    def _only_configured(self) -> DriverChoice:
        found: dict[frozenset[str], tuple[str, str]] = {}
        for layer in self.layers:
            for group in sorted({*layer.values, *layer.objects} & self.names.driver_names):
                if layer.has(group):
                    found.setdefault(self.names.aliases(group), (group, _first_name(layer, group)))
        if len(found) > 1:
            seen = " and ".join(f"{name} ({where})" for name, where in sorted(found.values()))
            raise ConfigurationError(
                f"several drivers have settings, {seen}, and none is chosen; "
                f"set {spell(ENVIRONMENT, GENERAL, 'driver')}, or pass driver= or url="
            )
        if not found:
            return DriverChoice(DEFAULT_DRIVER, Origin(DEFAULT))
        name, where = next(iter(found.values()))
        choose_plugin(PluginKind.DRIVER, name, environ=self.variables)
        return DriverChoice(name, Origin("the only driver with settings", where))

    def _of_layer(
        self, layer: Layer, groups: tuple[str, ...], settings_type: type[PluginSettings]
    ) -> dict[str, SettingValue]:
        fields: dict[str, SettingValue] = {}
        for group in groups:
            for name, found in _values(layer, group, settings_type).items():
                field, value = self._followed(layer.kind, name, found, settings_type)
                if field in fields:
                    raise ConfigurationError(
                        f"{fields[field].origin.name} and {value.origin.name} set the same; wanted one of them"
                    )
                fields[field] = value
        return fields

    def _followed(
        self, kind: str, name: str, found: SettingValue, settings_type: type[PluginSettings]
    ) -> tuple[str, SettingValue]:
        """The field and its value, where a variable names a file, or a value names a variable."""
        known = settings_type.__struct_fields__
        marks = secret_marks(settings_type)
        field = name.removesuffix(_FILE_SUFFIX)
        if kind in (ENVIRONMENT, DOTENV) and name not in known and field in marks:
            return field, SettingValue(_file_text(found), found.origin)
        if name in marks and isinstance(found.value, str) and found.value.startswith(_VARIABLE_PREFIX):
            return name, SettingValue(self._variable_text(found), found.origin)
        return name, found

    def _variable_text(self, found: SettingValue) -> str:
        variable = found.value[len(_VARIABLE_PREFIX) :].strip()
        text = self.variables.get(variable, "")
        if not text:
            raise ConfigurationError(
                f"{place(found.origin)} is {found.value!r}, but the variable {variable} is not set; "
                "set it, or give the value itself"
            )
        return text


def _values(layer: Layer, group: str, settings_type: type[PluginSettings]) -> Mapping[str, SettingValue]:
    whole = layer.objects.get(group)
    if whole is None:
        return layer.values.get(group, {})
    if not isinstance(whole, settings_type):
        raise ConfigurationError(
            f"{group} is of type {type(whole).__name__}; wanted {settings_type.__name__} or a mapping"
        )
    fields: dict[str, Any] = structs.asdict(whole)
    return {name: SettingValue(value, Origin(CODE, spell(CODE, group, name))) for name, value in fields.items()}


def _stronger(found: SettingValue, weaker: SettingValue | None) -> SettingValue:
    if weaker is None:
        return found
    overrides = (*weaker.origin.overrides, str(weaker.origin))
    return SettingValue(found.value, structs.replace(found.origin, overrides=overrides))


def _file_text(found: SettingValue) -> str:
    try:
        return Path(str(found.value)).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(
            f"{place(found.origin)} is {found.value!r}, which can't be read ({why}); "
            "wanted the path of a text file that this process may read"
        ) from error


def _first_name(layer: Layer, group: str) -> str:
    """Where a group is set first, for a message; a group of code may be whole, or empty."""
    names = [found.origin.name for found in layer.values.get(group, {}).values()]
    return min(names, default=spell(CODE, GENERAL, group))
