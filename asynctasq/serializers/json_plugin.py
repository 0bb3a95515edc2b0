"""The plugin of the serializer `json`. Importing it imports no serializer."""

from collections.abc import Sequence

from asynctasq.contract.serializer import Serializer
from asynctasq.plugins.hookspecs import hookimpl
from asynctasq.plugins.specs import SerializerSpec


def _open() -> Serializer:
    from asynctasq.serializers.json_serializer import JsonSerializer

    return JsonSerializer()


@hookimpl
def asynctasq_serializer_specs() -> Sequence[SerializerSpec]:
    """One serializer: JSON."""
    return [SerializerSpec(name="json", content_type="json", api_version="1.0", open=_open)]
