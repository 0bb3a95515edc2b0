"""What goes in comes out as its own type: with annotations, and for built-in types without them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynctasq.contract.serializer import Serializer
from asynctasq.errors import DeserializationError, SerializationError
from asynctasq.serializers.json_serializer import JsonSerializer
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from asynctasq.tasks.task_handle import TaskHandle

SERIALIZERS: list[Callable[[], Serializer]] = [MsgpackSerializer, JsonSerializer]


@pytest.fixture(params=SERIALIZERS, ids=lambda make: make.content_type)
def serializer(request: pytest.FixtureRequest) -> Serializer:
    return request.param()


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Order:
    number: UUID
    price: Decimal
    tags: set[str]
    lines: tuple[int, ...] = ()
    extra: Any = None
    _private: int = 1
    derived: list[int] = field(default_factory=list)


class Money(msgspec.Struct, rename="camel"):
    amount_due: Decimal
    due_on: date
    note: str | msgspec.UnsetType = msgspec.UNSET
    anything: Any = None


class Circle(msgspec.Struct, tag="circle", array_like=True):
    radius: float


class Square(msgspec.Struct, tag="square", array_like=True):
    side: float
    colours: frozenset[Colour] = frozenset()


class Movie(TypedDict):
    title: str
    released: date


class UserId(str):
    __slots__ = ()


class Cents(int):
    __slots__ = ()


class Rows(list[int]):
    __slots__ = ()


SOME_UUID = UUID("12345678-1234-5678-1234-567812345678")
PLUS_TWO = timezone(timedelta(hours=2))

BUILT_IN: list[Any] = [
    None, True, False, 0, -1, 2**63, 2**64 - 1, 2**64, -(2**63) - 1, 2**200, 1.5, math.inf, -math.inf,
    "", "text", "\0", b"", b"\xff\0", bytearray(b"x"),
    datetime(2026, 1, 2, 3, 4, 5, 678901), datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=PLUS_TWO),
    datetime.min, datetime.max, date(2026, 1, 2), time(1, 2, 3, 4), time(1, 2, tzinfo=UTC),
    timedelta(days=-1, microseconds=1), timedelta.max, Decimal("1.10"), Decimal("NaN"), Decimal("-Infinity"),
    SOME_UUID,
    (), (1, (2, "x")), set(), {1, 2}, {(1, 2), (3,)}, frozenset({"a"}), [1, [2, {3}]], {},
    {"a": {"b": (1, {2})}}, {1: "x", "1": "y"}, {(1, 2): Decimal(1)}, {SOME_UUID: {date(2026, 1, 1)}},
    {None: 1, True: 2},
    {"$asynctasq": ["set", [1]]}, {"$asynctasq": None}, {"x": {"$asynctasq": ["nobody", 1], "y": {1}}},
    {"$asynctasq": {1}},
    ["$asynctasq", "set", [1]], {"__set__": [1]}, {"type": "decimal", "value": "1"},
]  # fmt: skip

TYPED: list[tuple[Any, Any]] = [
    (UserId("u1"), UserId),
    ([UserId("u1")], list[UserId]),
    (Cents(5), Cents | None),
    (Rows([1, 2]), Rows),
    (TaskHandle("t1"), TaskHandle),
    (TaskHandle[int]("t1"), TaskHandle[int]),
    ({"a": TaskHandle("t1")}, dict[str, TaskHandle[int]]),
    (Colour.RED, Colour),
    (Level.LOW, Level),
    (Point(1, 2), Point),
    (Order(SOME_UUID, Decimal("2.50"), {"a"}, (1, 2), {"deep": {1, (2,)}}, 5, [1]), Order),
    ([Order(SOME_UUID, Decimal("2.50"), set())], list[Order]),
    (Money(amount_due=Decimal("3.20"), due_on=date(2026, 1, 1), anything={SOME_UUID}), Money),
    (Money(amount_due=Decimal(1), due_on=date(2026, 1, 1), note="n"), Money),
    ([Circle(1.0), Square(2.0, frozenset({Colour.BLUE}))], list[Circle | Square]),
    ({"title": "t", "released": date(1999, 1, 1)}, Movie),
    ({SOME_UUID: Colour.RED}, dict[UUID, Colour]),
    ({1: {2}}, dict[int, set[int]]),
    (datetime(2026, 1, 1, tzinfo=UTC), datetime),
    (datetime(2026, 1, 1, tzinfo=UTC), datetime | None),
    (None, datetime | None),
    (datetime(2026, 1, 1, tzinfo=UTC), str | datetime),
    ("2026-01-01", str | datetime),
    (Decimal("1.0"), int | Decimal),
    (timedelta(hours=1), timedelta),
    (b"\0", bytes),
    (bytearray(b"a"), bytearray),
    ((1, "a"), tuple[int, str]),
    (frozenset({1}), frozenset[int]),
    (3, Annotated[int, msgspec.Meta(ge=1)]),
    ("a", Literal["a", "b"]),
    (2**70, int),
    ([1, 2], list[Any]),
    ({"k": [{1}, (2,)]}, dict[str, Any]),
]


def same(left: Any, right: Any) -> bool:
    """Equal, of the same type, all the way down; NaN equals itself."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right or (left != left and right != right)


@pytest.mark.parametrize("value", BUILT_IN, ids=repr)
def test_built_in_types_need_no_annotation(serializer: Serializer, value: Any) -> None:
    """A value of a built-in type comes back as its own type even where the parameter is not annotated."""
    assert same(serializer.decoder(Any)(serializer.encode(value)), value)
    assert same(serializer.decoder(Any)(serializer.encode({"inside": [value]})), {"inside": [value]})


@pytest.mark.parametrize(("value", "wanted"), TYPED, ids=repr)
def test_annotations_guide_the_decoding(serializer: Serializer, value: Any, wanted: Any) -> None:
    """A value comes back as the annotated type, and again the same once the decoder has seen tagged values."""
    decode = serializer.decoder(wanted)
    for _ in range(3):
        assert same(decode(serializer.encode(value)), value)


def test_attrs_classes_round_trip(serializer: Serializer) -> None:
    """attrs classes are taken apart and built again like dataclasses."""
    attrs = pytest.importorskip("attrs")
    made = attrs.make_class("Made", {"a": attrs.field(type=Decimal), "b": attrs.field(type=set[int], factory=set)})
    value = made(a=Decimal("1.5"), b={1})
    assert serializer.decoder(made)(serializer.encode(value)) == value


class Model:
    """Shaped like a pydantic model."""

    def __init__(self, when: datetime) -> None:
        self.when = when

    def model_dump(self, *, by_alias: bool, round_trip: bool) -> dict[str, Any]:
        return {"when": self.when}

    @classmethod
    def model_validate(cls, value: Any) -> "Model":
        if set(value) != {"when"}:
            raise ValueError("wrong fields")
        return cls(value["when"])


def test_pydantic_models_are_known_by_their_methods(serializer: Serializer) -> None:
    """Models go by `model_dump` and `model_validate`, without an import of pydantic."""
    when = datetime(2026, 1, 1, tzinfo=PLUS_TWO)
    decoded = serializer.decoder(list[Model])(serializer.encode([Model(when)]))
    assert isinstance(decoded[0], Model)
    assert decoded[0].when == when
    with pytest.raises(DeserializationError, match="wrong fields"):
        serializer.decoder(Model)(serializer.encode({"other": 1}))


def test_subtypes_of_plain_types_travel_as_the_plain_type(serializer: Serializer) -> None:
    """A handle (a `str`), a defaultdict or an enum without annotation arrives as the plain value that it is."""

    class Handle(str):
        def __str__(self) -> str:
            return "something else"

    class Numbers(list[int]):
        pass

    value = {"a": Handle("id"), "b": Numbers([1]), "c": Colour.RED, "d": Level.LOW, "e": Point(1, 2)}
    expected = {"a": "id", "b": [1], "c": "red", "d": 1, "e": (1, 2)}
    assert same(serializer.decoder(Any)(serializer.encode(value)), expected)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.uuids()
    | st.decimals(allow_nan=False) | st.datetimes() | st.dates() | st.times() | st.timedeltas()
    | st.sampled_from(["$asynctasq"]),
    lambda children: st.lists(children) | st.dictionaries(st.text() | st.just("$asynctasq"), children)
    | st.tuples(children, children) | st.sets(st.integers()) | st.frozensets(st.text()),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize("make", SERIALIZERS, ids=lambda make: make.content_type)
@given(value=plain)
def test_any_nesting_of_built_in_types_round_trips(make: Callable[[], Serializer], value: Any) -> None:
    """No combination of built-in types, and nothing that looks like a marker, changes on its way."""
    serializer = make()
    assert same(serializer.decoder(Any)(serializer.encode(value)), value)


def test_an_unknown_type_is_refused_with_its_place(serializer: Serializer) -> None:
    """The error of an argument that can't travel says where it stands and what to do."""

    class Connection:
        pass

    with pytest.raises(SerializationError, match=r"at `\$\.order\.extra\.deep\[1\]`.*Connection.*TypeHook"):
        serializer.encode({"order": Order(SOME_UUID, Decimal(1), set(), extra={"deep": [1, Connection()]})})


def test_lone_surrogates_are_refused(serializer: Serializer) -> None:
    """Text that UTF-8 can't carry is an error of the caller, with its place."""
    with pytest.raises(SerializationError, match=r"at `\$\.a`"):
        serializer.encode({"a": "\ud800"})


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"k": x}, lambda x: (x,), lambda x: {1: x}])
def test_values_nested_too_deeply_are_refused(serializer: Serializer, wrap: Callable[[Any], Any]) -> None:
    """A hundred thousand levels end in a clean error, as does a value that contains itself."""
    value: Any = 1
    for _ in range(100_000):
        value = wrap(value)
    with pytest.raises(SerializationError, match="nested"):
        serializer.encode({"x": value})
    while not isinstance(value, int):  # taken apart by hand: freeing it at once would recurse in C
        value = next(iter(value.values())) if isinstance(value, dict) else value[0]


def test_a_value_that_contains_itself_is_refused(serializer: Serializer) -> None:
    """A cycle ends in a clean error."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(SerializationError, match="contains itself"):
        serializer.encode(cycle)
