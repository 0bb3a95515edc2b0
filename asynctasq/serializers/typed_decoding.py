"""From decoded plain values to the types that a task's parameters are annotated with, and clean errors on the way."""

from collections.abc import Callable
from typing import Any

import msgspec

from asynctasq.errors import DeserializationError
from asynctasq.serializers.object_fields import build_model

Decode = Callable[[bytes], Any]


def typed_decoder(wanted: Any, decode_any: Decode, decode_directly: Decode | None) -> Decode:
    """A decoder to the type `wanted`.

    Args:
        wanted: A type, an annotation, or Any.
        decode_any: Bytes to a value of built-in types, tagged values included.
        decode_directly: Bytes to `wanted` in one step. It is faster, and fails with a ValidationError where a tagged
            value stands in place of a typed one; None: there is no such step.
    """
    if wanted is Any or wanted is object or not _is_convertible(wanted):
        return _clean(decode_any)

    def decode_and_convert(body: bytes) -> Any:
        return msgspec.convert(decode_any(body), wanted, dec_hook=build_model)

    if decode_directly is None:
        return _clean(decode_and_convert)
    return _clean(_first_directly(decode_directly, decode_and_convert))


def _first_directly(decode_directly: Decode, decode_and_convert: Decode) -> Decode:
    """Tasks of one name mostly carry the same types, so one that carries tagged values stays with the second way."""
    tagged_values_seen = False

    def decode(body: bytes) -> Any:
        nonlocal tagged_values_seen
        if not tagged_values_seen:
            try:
                return decode_directly(body)
            except msgspec.ValidationError:
                pass  # a tagged value, or data that does not fit, of which the second way tells
        decoded = decode_and_convert(body)
        tagged_values_seen = True
        return decoded

    return decode


def _is_convertible(wanted: Any) -> bool:
    try:
        msgspec.msgpack.Decoder(wanted)
    except (TypeError, NameError):
        return False
    return True


def _clean(decode: Decode) -> Decode:
    def decode_cleanly(body: bytes) -> Any:
        try:
            return decode(body)
        except DeserializationError:
            raise
        except RecursionError:
            raise DeserializationError("the stored value is nested too deeply to be decoded") from None
        except Exception as error:  # validators and `__post_init__` of the application's own types may raise anything
            raise DeserializationError(f"the stored value can't be decoded: {error}") from error

    return decode_cleanly
