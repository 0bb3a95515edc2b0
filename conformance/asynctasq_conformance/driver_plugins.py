"""Which of the installed plugins brings a driver: the one whose module is nearest to the driver's."""

from __future__ import annotations

from collections.abc import Iterable

from asynctasq.driver_api import Driver, DriverSpec
from asynctasq.testing import DriverFactory


def ancestry_of(driver_class: type[Driver]) -> Iterable[type[Driver]]:
    """The class and its bases below `Driver`. A harness may open a subclass of a driver, which is no other driver for
    that."""
    return driver_class.__mro__[: driver_class.__mro__.index(Driver)]


def nearest_plugins(module: str) -> list[tuple[tuple[str, ...], str | None]]:
    """Names and distribution of the plugins that are nearest to a module; several if they are equally near."""

    def nearness(value: str) -> int:
        near = 0
        for mine, other in zip(module.split("."), value.split("."), strict=False):
            if mine != other:
                break
            near += 1
        return near

    installed = DriverFactory.installed()
    most = max((nearness(plugin.value) for plugin in installed), default=0)
    if not most:
        return []
    return [(plugin.names, plugin.distribution) for plugin in installed if nearness(plugin.value) == most]


def spec_of(driver_class: type[Driver]) -> DriverSpec | None:
    """What the driver's plugin advertises; None without a plugin, or if several could be the one."""
    for one in ancestry_of(driver_class):
        near = nearest_plugins(one.__module__)
        if near:
            [names, distribution] = near[0]
            return DriverFactory.load(names[0], distribution=distribution).spec if len(near) == 1 else None
    return None
