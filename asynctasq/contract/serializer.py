"""What a serializer promises: values to bytes and back, typed, without executing anything."""

import abc
from collections.abc import Callable
from typing import Any


class Serializer(abc.ABC):
    """Turns arguments and results into bytes. Decoding never imports, constructs or calls by a name from the data."""

    content_type: str
    """1 to 40 ASCII characters, such as `msgpack`: it travels in the frame, and picks the decoder of a worker."""

    @abc.abstractmethod
    def encode(self, value: object) -> bytes:
        """Encode one value.

        Raises:
            SerializationError: the value, or something inside it, has no encoding; the message says where.
        """

    @abc.abstractmethod
    def decoder(self, wanted: Any) -> Callable[[bytes], Any]:
        """A function that decodes bytes to the type `wanted` (a type, an annotation, or Any).

        Made once per type and kept by its caller, so it may be dear to make and must be cheap to call. The function
        raises `DeserializationError` for bytes that are malformed, too deeply nested, or do not fit.
        """
