"""The plugin of the serializer `msgpack`. Importing it imports no serializer."""

from collections.abc import Sequence

from asynctasq.contract.serializer import Serializer
from asynctasq.plugins.hookspecs import hookimpl
from asynctasq.plugins.specs import SerializerSpec


def _open() -> Serializer:
    from asynctasq.serializers.msgpack_serializer import MsgpackSerializer

    return MsgpackSerializer()


@hookimpl
def asynctasq_serializer_specs() -> Sequence[SerializerSpec]:
    """One serializer: MessagePack."""
    return [SerializerSpec(name="msgpack", content_type="msgpack", api_version="1.0", open=_open)]
