"""A plugin's settings belong to the plugin: it declares fields, and the core fills them from code, environment,
`.env`, command line and URL."""

from typing import Annotated, Any, ClassVar, get_type_hints
from urllib.parse import SplitResult, parse_qsl, urlsplit

import msgspec
from msgspec import Meta, Struct

from asynctasq.errors import ConfigurationError

Secret = Annotated[str, Meta(extra={"asynctasq": "secret"})]
"""The type of a field whose value never shows: a password, a token."""

Url = Annotated[str, Meta(extra={"asynctasq": "url"})]
"""The type of a field that holds a URL, of which the password never shows."""

Identifier = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\Z", description="1 to 64 of the characters A-Z a-z 0-9 . _ -"),
]
"""The type of a field that holds an identifier of the contract: a namespace, a queue, an id."""

MASK = "***"


class PluginSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every plugin's settings. Unknown options are errors, and secrets never show in `repr`.

    Fields are plain types that msgspec can convert from text (`str`, `int`, `float`, `bool`, enums, literals, and
    tuples of those, written with commas), bounded with `Annotated[..., msgspec.Meta(ge=...)]`, each with a default. A
    `pattern` wants a `description` beside it: errors say that instead.
    """

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.redacted().items())
        return f"{type(self).__name__}({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`: rich, which can show the locals of a traceback, would read the fields themselves."""
        return list(self.redacted().items())

    def redacted(self) -> dict[str, Any]:
        """Every field's value, with secrets masked."""
        marks = secret_marks(type(self))
        return {name: redact(getattr(self, name), marks.get(name)) for name in self.__struct_fields__}


class DriverSettings(PluginSettings, frozen=True, kw_only=True):
    """The base of every driver's settings."""

    namespace: Identifier = "asynctasq"
    """Separates all data of one store."""

    url_field: ClassVar[str | None] = "url"
    """The field that takes what stands before the `?` of a URL."""

    @classmethod
    def from_url(cls, url: str) -> dict[str, Any]:
        """The fields that a URL sets: by default everything before `?` goes into `url`, and the query into fields.

        Raises:
            ConfigurationError: the URL can't be read, or sets one option twice.
        """
        _, fields = split_url(url)
        if cls.url_field is not None:
            # As it was written: putting the parts together again would lose slashes (`sqlite:////tmp/tasks.db`).
            fields[cls.url_field] = url.partition("#")[0].partition("?")[0]
        return fields


def split_url(url: str) -> tuple[SplitResult, dict[str, Any]]:
    """A URL's parts, and its query as fields.

    Raises:
        ConfigurationError: the URL can't be read, or sets one option twice.
    """
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError(f"the URL {redact_url(url)} can't be read: {error}") from None
    fields: dict[str, Any] = {}
    for name, value in query:
        if name in fields:
            raise ConfigurationError(f"the URL {redact_url(url)} sets `{name}` twice; wanted it once")
        fields[name] = value
    return parts, fields


def redact_url(url: str) -> str:
    """The URL without its password. What can't be read as a URL is masked whole."""
    if not url.isprintable() or url != url.strip():
        return MASK  # parsing drops such characters, so that what it finds is not what stands in the text
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return MASK
    # A password with an unquoted `/`, `?` or `#` ends the address early, and the rest of it would show.
    misplaced = "@" in parts.path + parts.fragment or ("@" in parts.query and "@" not in parts.netloc)
    if misplaced or (not parts.scheme and _is_secret_name(url)):
        return MASK
    address, mark, query = url.partition("?")
    if password is not None:
        user, host = parts.netloc.rsplit("@", 1)
        address = f"{parts.scheme}://{user.split(':', 1)[0]}:{MASK}@{host}{parts.path}"
    options = [_masked_option(option) for option in query.split("&")]
    return address + mark + "&".join(options)


def _masked_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    return f"{name}{equals}{MASK}" if equals and _is_secret_name(name) else option


def _is_secret_name(text: str) -> bool:
    return any(word in text.lower() for word in ("password", "passwd", "pwd", "secret", "token"))


def redact(value: Any, mark: str | None) -> Any:
    """One field's value as it may be shown."""
    if mark is None or value is None:
        return value
    return redact_url(value) if mark == "url" and isinstance(value, str) else MASK


def secret_marks(settings_type: type[Struct]) -> dict[str, str]:
    """Field name -> `secret` or `url`, for the fields that must not show as they are."""
    hints = get_type_hints(settings_type, include_extras=True)
    marks = {name: _mark(hints[name]) for name in settings_type.__struct_fields__ if name in hints}
    return {name: mark for name, mark in marks.items() if mark is not None}


def _mark(hint: Any) -> str | None:
    for meta in getattr(hint, "__metadata__", ()):
        if isinstance(meta, msgspec.Meta) and meta.extra and "asynctasq" in meta.extra:
            return str(meta.extra["asynctasq"])
    for argument in getattr(hint, "__args__", ()):
        if (mark := _mark(argument)) is not None:
            return mark
    return None
