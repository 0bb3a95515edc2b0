"""The serializers that are installed, for workers that were not given any."""

import logging

from asynctasq.contract.serializer import Serializer
from asynctasq.errors import ConfigurationError
from asynctasq.plugins.serializer_factory import SerializerFactory

_logger = logging.getLogger("asynctasq.worker")


def installed_serializers() -> dict[str, Serializer]:
    """Content type -> serializer, for every one that is installed, not blocked and usable."""
    serializers: dict[str, Serializer] = {}
    for plugin in SerializerFactory.installed():
        if plugin.blocked is not None:
            continue
        try:
            serializer = SerializerFactory.create(plugin.names[0])
        except ConfigurationError as error:
            _logger.warning("the serializer %s is left out: %s", plugin.names[0], error)
            continue
        serializers.setdefault(serializer.content_type, serializer)
    return serializers
