"""The import path of older applications: `from asynctasq.core.dispatcher import get_dispatcher`."""

from asynctasq.app import get_dispatcher
from asynctasq.runtime.dispatcher import Dispatcher

__all__ = ["Dispatcher", "get_dispatcher"]
