"""What survives a crash: claimed if, and only if, the server's own settings say so."""

import subprocess
from pathlib import Path

import anyio
import pytest
from asynctasq_redis.driver import RedisDriver
from asynctasq_redis.server_report import ServerReport, check_version, findings
from asynctasq_redis.settings import RedisConfig
from redis import Redis

from asynctasq.driver_api import Complete, ConfigurationError, DriverUnavailable, Guarantee, NewTask

from .servers import BINARY, RedisServer, skip_without_binary

TASK = NewTask(id="task", queue="q", name="n", payload=b"x", keep_for=3600)


def _server(folder: Path, *options: str) -> RedisServer:
    skip_without_binary()
    return RedisServer(folder, "--appendonly", "yes", *options)


@pytest.mark.anyio
async def test_files_that_are_always_synced_are_durable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With `appendfsync always` the driver claims DURABLE and warns of nothing; whatever it acknowledged is there when
    the process was killed right afterwards."""
    with _server(tmp_path, "--appendfsync", "always") as server:
        async with RedisDriver(RedisConfig(url=server.url)) as driver:
            assert Guarantee.DURABLE in driver.traits.guarantees
            assert await driver.diagnose() == []
            for number in range(20):
                await driver.enqueue_many([NewTask(id=f"t{number}", queue="q", name="n", payload=b"x", keep_for=60)])
                [delivery] = await driver.reserve(["q"], limit=1, lease=60, worker="w")
                await driver.settle_many([Complete(receipt=delivery.receipt, result=b"r")])
                server.kill()
                server.start()
                await _until_up(driver)
                assert (await driver.get_tasks([f"t{number}"]))[f"t{number}"].result == b"r"
    assert caplog.text == ""


async def _until_up(driver: RedisDriver) -> None:
    with anyio.fail_after(10):
        while True:
            try:
                await driver.now()
            except DriverUnavailable:
                await anyio.sleep(0.01)
            else:
                return


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--appendfsync", "everysec"), "appendfsync is everysec"),
        (("--appendfsync", "no"), "appendfsync is no"),
        (("--appendfsync", "always", "--no-appendfsync-on-rewrite", "yes"), "no-appendfsync-on-rewrite is yes"),
    ],
)
async def test_files_that_are_synced_later_are_not(
    tmp_path: Path, options: tuple[str, ...], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A weaker setting is no DURABLE; connecting warns of it by its name, and `diagnose()` has the cure."""
    with _server(tmp_path, *options) as server:
        async with RedisDriver(RedisConfig(url=server.url)) as driver:
            assert Guarantee.DURABLE not in driver.traits.guarantees
            [finding] = await driver.diagnose()
        assert (finding.code, finding.severity) == ("redis.fsync", "warning")
        assert named in finding.message
        assert named in caplog.text
        with Redis(port=server.port) as client:
            assert client.execute_command(*finding.cure.split(",")[0].split()) == b"OK"
        async with RedisDriver(RedisConfig(url=server.url)) as driver:
            assert Guarantee.DURABLE in driver.traits.guarantees


@pytest.mark.anyio
@pytest.mark.parametrize("fsync", ["everysec", "no"])
async def test_an_orderly_restart_loses_nothing(tmp_path: Path, fsync: str) -> None:
    """A server that is told to end writes its file first, whatever the setting."""
    with _server(tmp_path, "--appendfsync", fsync) as server:
        async with RedisDriver(RedisConfig(url=server.url)) as driver:
            await driver.enqueue_many([TASK])
            server.end()
            server.start()
            await _until_up(driver)
            assert set(await driver.get_tasks(["task"])) == {"task"}


@pytest.mark.anyio
async def test_what_can_not_be_read_is_not_claimed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A user without CONFIG GET works; the driver does not claim what it could not see, and says how it would."""
    with _server(tmp_path, "--appendfsync", "always") as server:
        with Redis(port=server.port) as client:
            client.execute_command("ACL", "SETUSER", "queue", "on", ">secret", "~*", "&*", "+@all", "-config")
        async with RedisDriver(RedisConfig(url=server.url, username="queue", password="secret")) as driver:
            assert Guarantee.DURABLE not in driver.traits.guarantees
            [finding] = await driver.diagnose()
    assert (finding.severity, finding.cure) == ("info", "allow the Redis user +config|get")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("report", "codes"),
    [
        (ServerReport(version=(7, 0), has_aof=True, fsync="always", pauses_fsync=False), []),
        (ServerReport(version=(7, 0), has_aof=False, has_snapshots=True), ["redis.persistence"]),
        (ServerReport(version=(7, 0), has_aof=True), ["redis.fsync"]),
        (ServerReport(), ["redis.info"]),
    ],
)
def test_each_report_has_its_findings(report: ServerReport, codes: list[str]) -> None:
    """What a server says, and what it does not say, is told once."""
    assert [finding.code for finding in findings(report)] == codes
    assert report.is_durable is (codes == [])


def test_a_confirmation_that_never_comes_is_refused() -> None:
    """With `appendfsync no` WAITAOF is never answered: asking for it is a mistake of the configuration."""
    report = ServerReport(version=(7, 2), has_aof=True, fsync="no")
    with pytest.raises(ConfigurationError, match="appendfsync is no"):
        check_version(report, wait_aof=True)
    check_version(report, wait_aof=False)


@pytest.fixture
def has_waitaof() -> None:
    """Skipped where the installed server is older than the command."""
    skip_without_binary()
    assert BINARY is not None
    told = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(int(number) for number in told.partition("v=")[2].split()[0].split("."))
    if version < (7, 2):
        pytest.skip(f"machine: NO REDIS 7.2 but {told.strip()}: `wait_aof`, which needs WAITAOF, is not tested")


@pytest.mark.anyio
@pytest.mark.usefixtures("has_waitaof")
async def test_waiting_for_the_file_works(tmp_path: Path) -> None:
    """With `wait_aof` every kind of call that changes something is answered, and nothing is claimed for it."""
    with _server(tmp_path, "--appendfsync", "everysec") as server:
        async with RedisDriver(RedisConfig(url=server.url, wait_aof=True)) as driver:
            assert Guarantee.DURABLE not in driver.traits.guarantees
            assert driver.pausing is not None
            await driver.enqueue_many([TASK])
            await driver.pausing.pause(["other"])
            [delivery] = await driver.reserve(["q"], limit=1, lease=60, worker="w")
            [extended] = await driver.extend_many([delivery.receipt], lease=90)
            assert extended.applied
            await driver.settle_many([Complete(receipt=delivery.receipt, result=b"r")])
            server.kill()
            server.start()
            await _until_up(driver)
            assert (await driver.get_tasks(["task"]))["task"].result == b"r"
            assert await driver.pausing.paused_queues() == {"other"}
