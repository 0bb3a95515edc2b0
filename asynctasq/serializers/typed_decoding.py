"""From decoded plain values to the types that a task's parameters are annotated with, and clean errors on the way."""

from collections.abc import Callable
from typing import Any

import msgspec

from asynctasq.errors import DeserializationError
from asynctasq.serializers.object_fields import build_model

Decode = Callable[[bytes], Any]


def typed_decoder(
    wanted: Any, decode_any: Decode, decode_directly: Decode | None, check_nesting: Callable[[bytes], None]
) -> Decode:
    """A decoder to the type `wanted`. Where msgspec does not support that type, values come as they were decoded.

    Args:
        wanted: A type, an annotation, or Any.
        decode_any: Bytes to a value of built-in types, tagged values included.
        decode_directly: Bytes to `wanted` in one step. It is faster, and fails with a ValidationError where a tagged
            value stands in place of a typed one; None: there is no such step.
        check_nesting: Raises `DeserializationError` for bytes that are nested more deeply than any stack can take. It
            is called first.
    """
    if wanted is Any or wanted is object or supported(_plain_decoder, wanted) is None:
        return _clean(decode_any, check_nesting)

    def decode_and_convert(body: bytes) -> Any:
        return msgspec.convert(decode_any(body), wanted, dec_hook=build_model)

    if decode_directly is None:
        return _clean(decode_and_convert, check_nesting)
    return _clean(_first_directly(decode_directly, decode_and_convert), check_nesting)


def supported(make: Callable[[Any], Decode], wanted: Any) -> Decode | None:
    """What `make` makes of msgspec, or None for an annotation that msgspec has no decoder for (a union of two classes,
    the name of a class that does not exist)."""
    try:
        return make(wanted)
    except (TypeError, NameError):
        return None


def _plain_decoder(wanted: Any) -> Decode:
    return msgspec.msgpack.Decoder(wanted).decode


def _first_directly(decode_directly: Decode, decode_and_convert: Decode) -> Decode:
    """Tasks of one name mostly carry the same types, so one that carries tagged values stays with the second way."""
    tagged_values_seen = False

    def decode(body: bytes) -> Any:
        nonlocal tagged_values_seen
        if tagged_values_seen:
            return decode_and_convert(body)
        try:
            return decode_directly(body)
        except msgspec.ValidationError:
            decoded = decode_and_convert(body)  # raises for data that does not fit, and says more of it
        tagged_values_seen = True
        return decoded

    return decode


def _clean(decode: Decode, check_nesting: Callable[[bytes], None]) -> Decode:
    def decode_cleanly(body: bytes) -> Any:
        check_nesting(body)
        try:
            return decode(body)
        except DeserializationError:
            raise
        except RecursionError:
            raise DeserializationError("the stored value is nested too deeply to be decoded") from None
        except Exception as error:  # validators and `__post_init__` of the application's own types may raise anything
            raise DeserializationError(f"the stored value can't be decoded: {error}") from error

    return decode_cleanly
