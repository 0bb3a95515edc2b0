"""Torture trials on servers: private ones, behind a network that breaks."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynctasq import DriverFactory
from tests.private_backends import BACKENDS, private_backend, variable
from tests.torture.plans import PLANS
from tests.torture.trial import fresh_seed, run_trial

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(params=list(BACKENDS))
def server_url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server that nobody else uses."""
    monkeypatch.setenv(variable(request.param), "")  # what other tests find there comes back afterwards
    pytest.importorskip(f"asynctasq_{request.param}")
    importlib.import_module(f"drivers.{request.param}.tests.servers")
    with private_backend(request.param) as url:
        if url is None:
            pytest.skip(f"backend: NO SERVER of {request.param} can be started here")
        yield url


async def test_trial_on_a_broken_network(server_url: str, tmp_path: Path) -> None:
    """Resets, lost replies, connections that end within a reply and late replies: no rule C1 to C11 is broken, and no
    worker notices more than that it has to try again."""
    await DriverFactory.create(server_url).prepare_storage()
    report = await run_trial(PLANS["network"], seed=fresh_seed(), url=server_url, folder=tmp_path)
    assert report.passed, f"\n{report}\nAgain: TORTURE_SEED={report.seed} (files: {tmp_path})"
