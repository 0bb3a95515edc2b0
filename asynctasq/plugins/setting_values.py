"""From values that were found somewhere to a settings object, with errors that say where each one was found."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from asynctasq.errors import ConfigurationError
from asynctasq.plugins.closest_name import closest_name
from asynctasq.plugins.setting_types import convert_setting, wanted
from asynctasq.plugins.settings import redact, secret_marks

SettingsT = TypeVar("SettingsT", bound=Struct)

ENVIRONMENT_PREFIX = "ASYNCTASQ_"

CODE = "code"
ENVIRONMENT = "environment"
DOTENV = ".env"
FLAG = "flag"
URL = "url"
DEFAULT = "default"


class Origin(Struct, frozen=True):
    """Where a setting's value was found."""

    kind: str
    """`flag`, `code`, `environment`, `.env`, `url` or `default`."""
    name: str = ""
    """The flag, the variable, or the setting's name in code."""
    overrides: tuple[str, ...] = ()
    """The names of the weaker places that set it as well, and lost."""

    def __str__(self) -> str:
        return f"{self.kind} ({self.name})" if self.name else self.kind


class SettingValue(Struct, frozen=True):
    """A value as it was found, not yet converted."""

    value: Any
    origin: Origin

    def __repr__(self) -> str:
        return f"SettingValue(***, {self.origin})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("origin", str(self.origin))]


def spell(kind: str, group: str, field: str) -> str:
    """How a setting is written in a place of this kind: `ASYNCTASQ_REDIS_URL`, `--redis-url`, `redis.url`."""
    parts = [part for part in (group, field) if part]
    if kind in (ENVIRONMENT, DOTENV):
        return ENVIRONMENT_PREFIX + "_".join(parts).replace(".", "_").replace("-", "_").upper()
    if kind == FLAG:
        return "--" + "-".join(parts).replace("_", "-").replace(".", "-")
    if kind == URL:
        return f"the URL's option `{field}`"
    return ".".join(parts)


def place(origin: Origin) -> str:
    """The start of an error about a value: what the reader must change."""
    return f"{origin.name} in .env" if origin.kind == DOTENV else origin.name


def from_code(group: str, values: Mapping[str, Any]) -> dict[str, SettingValue]:
    """Values that a program passes."""
    return {name: SettingValue(value, Origin(CODE, spell(CODE, group, name))) for name, value in values.items()}


def build_settings(settings_type: type[SettingsT], values: Mapping[str, SettingValue], group: str) -> SettingsT:
    """Convert and check every value, and make the settings.

    Raises:
        ConfigurationError: an unknown name, a wrong value or a missing one; it says where it was found, what is
            allowed and, for an unknown name, the closest that exists. Secrets do not show.
    """
    fields = {field.name: field for field in msgspec.structs.fields(settings_type)}
    for name, found in values.items():
        if name not in fields:
            raise ConfigurationError(unknown_setting(found.origin, group, name, fields))
    marks = secret_marks(settings_type)
    converted: dict[str, Any] = {}
    for name, field in fields.items():
        if name in values:
            converted[name] = convert_found(values[name], field.type, marks.get(name))
        elif field.required:
            raise ConfigurationError(
                f"{spell(CODE, group, name)} is not set; wanted {wanted(field.type)}. "
                f"Set {spell(ENVIRONMENT, group, name)}, or pass it in code"
            )
    try:
        return settings_type(**converted)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the settings of {group or 'asynctasq'} do not fit together: {error}") from error


def convert_found(found: SettingValue, annotation: Any, mark: str | None = None) -> Any:
    """One value, converted.

    Raises:
        ConfigurationError: it does not fit the annotation.
    """
    try:
        return convert_setting(found.value, annotation)
    except (ValueError, TypeError):
        # The cause is dropped: its message may show a secret.
        raise ConfigurationError(
            f"{place(found.origin)} is {shown(found.value, mark)}; wanted {wanted(annotation)}"
        ) from None


def shown(value: Any, mark: str | None) -> str:
    """A value as an error may show it: masked if it is secret, and never long."""
    if mark is not None and not isinstance(value, str):
        mark = "secret"
    text = repr(redact(value, mark))
    return text if len(text) <= 80 else text[:77] + "..."


def unknown_setting(origin: Origin, group: str, name: str, known: Iterable[str]) -> str:
    """The message about a name that no setting has."""
    known = sorted(known)
    close = closest_name(name, known)
    hint = f"it has {', '.join(known)}" if close is None else f"did you mean {spell(origin.kind, group, close)}?"
    return f"{place(origin)}: {group or 'asynctasq'} has no such setting; {hint}"
