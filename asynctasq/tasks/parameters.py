"""The parameters of a task: binding a call to them, and the type that its arguments are decoded to."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from typing import Any, Unpack, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Struct

_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class Arguments(Struct, frozen=True):
    """A task's arguments, decoded, ready to be passed on."""

    positional: tuple[Any, ...]
    by_name: dict[str, Any]


class Parameters:
    """What a function, or a class's constructor, takes."""

    def __init__(self, owner: str, signature: inspect.Signature, hints: Callable[[], Mapping[str, Any]]) -> None:
        """`owner` names the task in errors. `hints` gives the resolved annotations; it is called late, when every name
        of the module exists."""
        self.signature = signature
        self._owner = owner
        self._hints = hints
        parameters = signature.parameters.values()
        self.names = tuple(signature.parameters)
        self._named = frozenset(p.name for p in parameters if p.kind in _NAMED)
        self._required = frozenset(p.name for p in parameters if p.kind in _NAMED and p.default is Parameter.empty)
        self._simple = len(self._named) == len(self.names)
        self._ordered = tuple(p.name for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD)
        self._rest = _only(p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL)
        self._rest_by_name = _only(p.name for p in parameters if p.kind is Parameter.VAR_KEYWORD)
        self._positional = tuple(
            p.name for p in parameters if p.kind is Parameter.POSITIONAL_ONLY or (self._rest and p.kind in _BY_POSITION)
        )

    def bind(self, positional: tuple[Any, ...], by_name: dict[str, Any]) -> dict[str, Any]:
        """Parameter name -> what the caller passed. Defaults that the caller did not pass are not in it.

        `*args` stands under its own name as a list, `**kwargs` as a dict.

        Raises:
            TypeError: the call does not fit the parameters.
        """
        if self._simple and by_name.keys() <= self._named:
            if not positional and by_name.keys() >= self._required:
                return by_name
            if len(positional) <= len(self._ordered):
                bound = dict(zip(self._ordered, positional, strict=False))
                if bound.keys().isdisjoint(by_name):
                    bound.update(by_name)
                    if bound.keys() >= self._required:
                        return bound
        return self._bind_slowly(positional, by_name)

    def _bind_slowly(self, positional: tuple[Any, ...], by_name: dict[str, Any]) -> dict[str, Any]:
        try:
            bound = self.signature.bind(*positional, **by_name).arguments
        except TypeError as error:
            raise TypeError(f"{self._owner}{self.signature}: {error}") from None
        if self._rest in bound:
            bound[self._rest] = list(bound[self._rest])
        return bound

    def arguments_type(self) -> type[Struct]:
        """A struct with a field per parameter: what the body of this task is decoded to."""
        hints = self._hints()
        fields = [_field(p, hints.get(p.name, Any)) for p in self.signature.parameters.values()]
        return msgspec.defstruct("arguments", fields, forbid_unknown_fields=True, kw_only=True)

    def arguments(self, decoded: Any) -> Arguments:
        """A decoded `arguments_type` as a call."""
        if not self.names:
            return _NO_ARGUMENTS
        by_name = {name: value for name in self.names if (value := getattr(decoded, name)) is not UNSET}
        if self._simple:
            return Arguments((), by_name)
        all_needed = self._rest in by_name
        positional = tuple(self._take(by_name, name) for name in self._positional if all_needed or name in by_name)
        if self._rest is not None:
            positional += tuple(by_name.pop(self._rest, ()))
        if self._rest_by_name is not None:
            by_name.update(by_name.pop(self._rest_by_name, {}))
        return Arguments(positional, by_name)

    def _take(self, by_name: dict[str, Any], name: str) -> Any:
        return by_name.pop(name) if name in by_name else self.signature.parameters[name].default


_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_ONE_VALUE = (*_NAMED, Parameter.POSITIONAL_ONLY)
_NO_ARGUMENTS = Arguments((), {})


def _only(names: Iterable[str]) -> str | None:
    return next(iter(names), None)


def _field(parameter: Parameter, hint: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    wanted = _field_type(parameter, hint)
    required = parameter.default is Parameter.empty and parameter.kind in _ONE_VALUE
    return (parameter.name, wanted) if required else (parameter.name, wanted, UNSET)


def _field_type(parameter: Parameter, hint: Any) -> Any:
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return _decodable(list[hint])
    if parameter.kind is Parameter.VAR_KEYWORD:
        return _decodable(hint.__args__[0] if get_origin(hint) is Unpack else dict[str, hint])
    return _decodable(hint)


def _decodable(hint: Any) -> Any:
    """The annotation, or Any for one that msgspec can't decode to (such as a union of two classes without tags):
    the value then arrives as the type that it was encoded as."""
    try:
        msgspec.msgpack.Decoder(hint)
    except (TypeError, NameError):
        return Any
    return hint


def resolve_hints(annotations: Mapping[str, Any], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Annotations with their strings evaluated. One that can't be (its name exists for type checkers only) is Any."""
    return {name: _resolve(annotation, namespace) for name, annotation in annotations.items()}


def _resolve(annotation: Any, namespace: Mapping[str, Any]) -> Any:
    holder = type("holder", (), {"__annotations__": {"value": annotation}})
    try:
        return get_type_hints(holder, dict(namespace), include_extras=True)["value"]
    except Exception:  # whatever a stranger's annotation does when it is evaluated, the task can do without
        return Any
