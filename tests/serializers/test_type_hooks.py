"""An application's and a plugin's own types."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import anyio
import pytest

from asynctasq import task
from asynctasq.errors import DeserializationError, NeedsLoading, SerializationError
from asynctasq.serializers.json_serializer import JsonSerializer
from asynctasq.serializers.msgpack_serializer import MsgpackSerializer
from asynctasq.serializers.type_hooks import AsyncTypeHook, HookRegistry, TypeHook
from asynctasq.serializers.value_serializer import ValueSerializer

MAKERS: list[Callable[..., ValueSerializer]] = [MsgpackSerializer, JsonSerializer]
both = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.content_type)


class Money:
    def __init__(self, amount: Decimal, currency: str) -> None:
        self.amount, self.currency = amount, currency

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and vars(self) == vars(other)

    __hash__ = None


class MoneyHook(TypeHook[Money]):
    type_key = "money"

    def can_encode(self, obj: Any) -> bool:
        return isinstance(obj, Money)

    def encode(self, obj: Money) -> dict[str, Any]:
        return {"amount": obj.amount, "currency": obj.currency}

    def decode(self, data: dict[str, Any]) -> Money:
        return Money(data["amount"], data["currency"])


class Tagged(NamedTuple):
    tag: str
    data: Any


class Boxed(NamedTuple):
    value: Any


def registry(*hooks: TypeHook[Any]) -> HookRegistry:
    made = HookRegistry()
    for hook in hooks:
        made.register(hook)
    return made


@both
def test_a_hooked_type_round_trips(make: Callable[..., ValueSerializer]) -> None:
    """A registered hook carries its type, annotated or not, and what it makes may hold other tagged values."""
    serializer = make(registry(MoneyHook()))
    value = {"price": Money(Decimal("1.50"), "EUR"), "all": [Money(Decimal(2), "CHF")]}
    assert serializer.decoder(Any)(serializer.encode(value)) == value
    assert serializer.decoder(dict[str, Money])(serializer.encode({"p": value["price"]})) == {"p": value["price"]}


@both
def test_user_data_cannot_imitate_a_hook(make: Callable[..., ValueSerializer]) -> None:
    """A dict that looks like what a hook makes, or like a tag, stays that dict."""
    serializer = make(registry(MoneyHook()))
    for value in (
        {"amount": Decimal(1), "currency": "EUR"},
        {"money": 1},
        {"$asynctasq": ["extension", ["money", {}]]},
    ):
        assert serializer.decoder(Any)(serializer.encode(value)) == value


@both
def test_without_the_hook_the_error_names_the_tag(make: Callable[..., ValueSerializer]) -> None:
    """A worker that lacks the hook says which one it wants."""
    body = make(registry(MoneyHook())).encode(Money(Decimal(1), "EUR"))
    with pytest.raises(DeserializationError, match=r"'money'.*TypeHook"):
        make().decoder(Any)(body)


@both
def test_the_highest_priority_is_asked_first(make: Callable[..., ValueSerializer]) -> None:
    """Of two hooks that know a type, the one of higher priority encodes it; a hook may also refuse data."""

    class Cents(MoneyHook):
        type_key = "cents"
        priority = 1

        def encode(self, obj: Money) -> Any:
            return [int(obj.amount * 100), obj.currency]

        def can_decode(self, data: Any) -> bool:
            return isinstance(data, list) and len(data) == 2

        def decode(self, data: Any) -> Money:
            return Money(Decimal(data[0]) / 100, data[1])

    hooks = registry(MoneyHook(), Cents())
    assert make(hooks).decoder(Any)(make(hooks).encode(Money(Decimal("1.5"), "EUR"))) == Money(Decimal("1.5"), "EUR")
    assert b"cents" in make(hooks).encode(Money(Decimal("1.5"), "EUR"))


def test_a_type_key_is_registered_once() -> None:
    """Two hooks of one tag would decode each other's data."""
    hooks = registry(MoneyHook())
    with pytest.raises(ValueError, match="registered already"):
        hooks.register(MoneyHook())
    assert isinstance(hooks.unregister("money"), MoneyHook)
    assert hooks.unregister("money") is None
    hooks.register(MoneyHook())
    hooks.clear()
    assert hooks.all_hooks == []


@both
def test_plugins_are_asked_after_the_hooks(make: Callable[..., ValueSerializer]) -> None:
    """A plugin's extension carries types that no hook knows; a decoded None is not "not mine"."""
    asked: list[type] = []

    def encode(value: object) -> Tagged | None:
        asked.append(type(value))
        return Tagged("nothing", None) if isinstance(value, Nothing) else None

    def decode(tag: str, data: Any) -> Boxed | None:
        return Boxed(None) if tag == "nothing" else None

    class Nothing:
        pass

    serializer = make(registry(MoneyHook()))
    with pytest.raises(SerializationError):
        serializer.encode(Nothing())
    serializer.use_extensions(encode, decode)
    assert serializer.decoder(Any)(serializer.encode([Nothing(), Money(Decimal(1), "EUR")])) == [
        None,
        Money(Decimal(1), "EUR"),
    ]
    assert Money not in asked
    body = serializer.encode(Nothing())
    serializer.use_extensions(None, None)
    with pytest.raises(DeserializationError, match="plugin"):
        serializer.decoder(Any)(body)


class Row:
    """A row of a database."""

    def __init__(self, key: int) -> None:
        self.key = key


class RowHook(AsyncTypeHook[Row]):
    """Rows travel as their keys. All loads have to be under way before one of them ends."""

    type_key = "row"

    def __init__(self, expected: int = 1) -> None:
        self.loaded: list[int] = []
        self._expected = expected
        self._all_here = anyio.Event()

    def can_encode(self, obj: Any) -> bool:
        return isinstance(obj, Row)

    def encode(self, obj: Row) -> int:
        return obj.key

    async def decode_async(self, data: int) -> Row:
        self.loaded.append(data)
        if len(self.loaded) == self._expected:
            self._all_here.set()
        await self._all_here.wait()
        if data < 0:
            raise DeserializationError(f"row {data} was deleted")
        return Row(data)


@task
async def with_rows(first: Row, others: list[Row], note: Any = None) -> None: ...


@both
@pytest.mark.anyio
async def test_references_are_loaded_together(make: Callable[..., ValueSerializer]) -> None:
    """Values of an AsyncTypeHook travel as references, and come back loaded: in parallel, equal ones once."""
    hook = RowHook(expected=2)
    serializer = make(registry(hook))
    definition = with_rows.definition
    body = serializer.encode(with_rows(Row(1), [Row(2), Row(1)], {3}).__task_call__.arguments)
    with pytest.raises(NeedsLoading, match="'row'"):
        definition.decode_arguments(serializer, body)
    with anyio.fail_after(5):
        arguments = (await definition.load_arguments(serializer, body)).by_name
    assert [arguments["first"].key, *(row.key for row in arguments["others"])] == [1, 2, 1]
    assert (arguments["note"], sorted(hook.loaded)) == ({3}, [1, 2])
    assert arguments["first"] is arguments["others"][1]


@both
@pytest.mark.anyio
async def test_what_can_not_be_loaded_is_said_as_it_is(make: Callable[..., ValueSerializer]) -> None:
    """The hook's own error comes through: a row that is gone is told from a database that is down."""
    serializer = make(registry(RowHook(expected=2)))
    body = serializer.encode({"first": Row(-1), "others": [Row(2)]})
    with pytest.raises(DeserializationError, match="row -1 was deleted"):
        await with_rows.definition.load_arguments(serializer, body)
    wrong = make(registry(RowHook())).encode({"first": Row(1), "others": 3})
    with pytest.raises(DeserializationError, match="others"):
        await with_rows.definition.load_arguments(make(registry(RowHook())), wrong)
