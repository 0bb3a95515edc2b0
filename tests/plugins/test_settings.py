"""Settings classes: text to values, secrets that never show, and what an operator is told of them."""

from enum import Enum
from typing import Annotated, Any, Literal
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from asynctasq.plugins.setting_descriptions import describe_settings
from asynctasq.plugins.setting_types import convert_setting, wanted
from asynctasq.plugins.settings import DriverSettings, Secret, Url, redact_url


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class ExampleConfig(DriverSettings, frozen=True, kw_only=True):
    url: Url = "example://user:geheim@host/x"
    """Where it is,
    over two lines."""
    password: Secret | None = None
    colour: Colour = Colour.RED
    ratio: Annotated[float, Meta(gt=0)] | None = None
    verify: bool = False


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("5", int, 5),
        ("5", float, 5.0),
        ("on", bool, True),
        ("No", bool, False),
        ("1", bool, True),
        ("none", float | None, None),
        ("none", str | None, "none"),
        ("a, b,,c", tuple[str, ...], ("a", "b", "c")),
        ("1,2", frozenset[int], frozenset({1, 2})),
        ("red", Colour, Colour.RED),
        (Colour.RED, Colour, Colour.RED),
        ("fixed", Literal["fixed", "exponential"], "fixed"),
        (" padded ", str, " padded "),
        (["a"], tuple[str, ...], ("a",)),
    ],
)
def test_text_becomes_what_the_annotation_says(text: Any, annotation: Any, value: object) -> None:
    """Variables, flags and URLs are text; settings are not."""
    converted = convert_setting(text, annotation)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [("nan", float), ("inf", float), ("x", int), (True, int), (True, float | None), ("green", Colour), (None, int)],
)
def test_what_does_not_fit_is_refused(value: Any, annotation: Any) -> None:
    """No number that is none, and no truth value for a number."""
    with pytest.raises(ValueError, match=r"\S"):
        convert_setting(value, annotation)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Annotated[int, Meta(ge=0, le=15)], "a whole number from 0 to 15"),
        (Annotated[float, Meta(gt=0)] | None, "a number above 0"),
        (bool, "true or false"),
        (Colour, "one of red, blue"),
        (tuple[str, ...], "a list with commas, each text"),
    ],
)
def test_what_is_allowed_is_said_in_words(annotation: Any, words: str) -> None:
    """Errors and help speak to operators, not to Python."""
    assert wanted(annotation) == words


def test_secrets_show_in_no_representation() -> None:
    """Neither a password nor the one inside a URL."""
    shown = repr(ExampleConfig(password="geheim"))
    assert "geheim" not in shown
    assert "example://user:***@host/x" in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:geheim@host:1/0?db=2", "redis://:***@host:1/0?db=2"),
        ("redis://user:geheim@host?Password=geheim&x=1", "redis://user:***@host?Password=***&x=1"),
        ("sqlite:////tmp/x.db?y=1", "sqlite:////tmp/x.db?y=1"),
        ("redis://:gehe/im@host", "***"),
        ("redis://:gehe#im@host", "***"),
        ("redis://:gehe?im@host", "***"),
        ("redis:user:geheim@host", "***"),
        ("host=db password=geheim", "***"),
        ("redis://[geheim", "***"),
    ],
)
def test_a_url_shows_without_its_password(url: str, shown: str) -> None:
    """What can't be told apart from a password is masked whole."""
    assert redact_url(url) == shown


@given(st.text(st.characters(codec="utf-8", exclude_characters="@"), min_size=4))
def test_no_password_shows_however_it_is_written(password: str) -> None:
    """Quoted or not: parts of it must not be taken for a host, a path or an option that may show."""
    secret = f"geheim{password}geheim"
    for url in (f"redis://user:{secret}@host/0", f"redis://:{quote(secret, safe='')}@host?db=1"):
        assert "geheim" not in redact_url(url)


def test_a_settings_class_describes_itself() -> None:
    """Variable, flag, default, help and choices, from the class alone."""
    rows = {row.name: row for row in describe_settings(ExampleConfig, "example")}
    assert list(rows) == [f"example.{name}" for name in ExampleConfig.__struct_fields__]
    url = rows["example.url"]
    assert (url.variable, url.flag, url.default) == (
        "ASYNCTASQ_EXAMPLE_URL",
        "--example-url",
        "example://user:***@host/x",
    )
    assert (url.help, url.is_secret) == ("Where it is, over two lines.", True)
    assert rows["example.namespace"].help == "Separates all data of one store."
    assert rows["example.colour"].choices == ("red", "blue")
    assert [name for name, row in rows.items() if row.is_switch] == ["example.verify"]
