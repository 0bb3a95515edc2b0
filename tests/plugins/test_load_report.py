"""`asynctasq plugins --check`: every plugin, tried apart from the others."""

import sys

import pytest

from asynctasq.plugins.load_report import LoadStatus, check_plugins
from tests.fixtures.distributions import Distributions


def test_every_plugin_is_tried_and_every_trouble_has_its_reason(
    bare: Distributions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One broken plugin never hides another; a blocked one is not imported, and is no trouble."""
    bare.install("acme-good", "acme_driver", drivers="acme acmes")
    bare.install("acme-broken", "broken_import", drivers="broken")
    bare.install("acme-invalid", "misspelt_hook", drivers="invalid")
    newer = {'"1.0"': '"1.7"', '"acme"': '"newer"', '"acmes", "acme+cluster"': "", '("newer", )': '("newer",)'}
    newer = {'api_version="1.0"': 'api_version="1.7"'}
    bare.install("acme-newer", "acme_driver", drivers="newer", replace=newer)
    bare.install("acme-one", "acme_event_sink", event_sinks="acme")
    bare.install("acme-two", "acme_event_sink", event_sinks="acme")
    blocked = bare.install("acme-blocked", "broken_import", drivers="blocked")
    monkeypatch.setenv("ASYNCTASQ_DISABLE_PLUGINS", "blocked")
    reports = {report.plugin.distribution: report for report in check_plugins()}
    assert {name: str(report.status) for name, report in reports.items()} == {
        "acme-good": "LOADED",
        "acme-broken": "FAILED",
        "acme-invalid": "FAILED",
        "acme-newer": "INCOMPATIBLE",
        "acme-one": "CONFLICT",
        "acme-two": "CONFLICT",
        "acme-blocked": "BLOCKED",
        "asynctasq": "LOADED",
    }
    assert "the licence of this driver has expired" in reports["acme-broken"].reason
    assert "did you mean asynctasq_driver_specs?" in reports["acme-invalid"].reason
    assert "Upgrade asynctasq" in reports["acme-newer"].reason
    assert "acme-two 1.0" in reports["acme-one"].reason
    assert blocked not in sys.modules
    troubled = {name for name, report in reports.items() if report.is_trouble}
    assert troubled == {"acme-broken", "acme-invalid", "acme-newer", "acme-one", "acme-two"}
    assert reports["acme-good"].status is LoadStatus.LOADED
