"""`asynctasq driver new`: which names and folders it takes, and what it writes. That the driver works is shown by
tests/acceptance/test_driver_author.py."""

import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from asynctasq.cli.scaffold.driver_package import driver_package_files
from asynctasq.driver_api import API_VERSION
from asynctasq.plugins.discovery import OWN_DRIVERS
from tests.cli.conftest import Type


def test_it_writes_a_package_and_says_how_to_go_on(type_command: Type) -> None:
    """The files are printed, and exist; the next steps go to standard error."""
    typed = type_command("driver", "new", "zeta")
    assert typed.code == 0
    assert {str(path) for path in Path("asynctasq-zeta").rglob("*") if path.is_file()} == set(typed.out.split())
    assert "asynctasq-zeta/asynctasq_zeta/plugin.py" in typed.out
    assert 'pip install -e ".[test]"' in typed.err


def test_the_name_is_everywhere_and_the_templates_nowhere(type_command: Type) -> None:
    """Paths, distribution, entry point, class names and variables have the new name."""
    type_command("driver", "new", "zeta", "--folder", "deep/down")
    texts = {path: path.read_text() for path in Path("deep/down").rglob("*") if path.is_file()}
    assert not [path for path, text in texts.items() if "acme" in f"{path}{text}".lower()]
    project = tomllib.loads(texts[Path("deep/down/pyproject.toml")])
    assert project["project"]["name"] == "asynctasq-zeta"
    assert project["project"]["entry-points"]["asynctasq.drivers"] == {"zeta": "asynctasq_zeta.plugin"}
    assert "class ZetaConfig(" in texts[Path("deep/down/asynctasq_zeta/settings.py")]
    assert "ASYNCTASQ_ZETA_NAMESPACE" in texts[Path("deep/down/README.md")]


def test_every_module_is_python() -> None:
    """Whatever the name, what is written can be compiled."""
    for name in ("a", "class", "x1", "verylongnameofabackend"):
        for place, text in driver_package_files(name):
            if place.suffix == ".py":
                assert compile(text, str(place), "exec")


def test_the_template_fits_this_version() -> None:
    """The generated plugin names the driver API of today, and its package takes the asynctasq of today."""
    texts = {str(place): text for place, text in driver_package_files("acme")}
    assert f'api_version="{API_VERSION}"' in texts["asynctasq_acme/plugin.py"]
    major, minor, *_ = version("asynctasq").split(".")
    assert f'"asynctasq>={major}.{minor},<{int(major) + 1}"' in texts["pyproject.toml"]


@pytest.mark.parametrize("name", ["Acme", "1st", "a-b", "a_b", "", "ä", "a\n"])
def test_a_name_that_is_no_prefix_is_refused(type_command: Type, name: str) -> None:
    """A driver's name begins variables and flags; the message says which characters are wanted."""
    typed = type_command("driver", "new", name)
    assert typed.code == 2
    assert "wanted lower-case letters and digits" in typed.err
    assert not list(Path().iterdir())


@pytest.mark.parametrize("name", ["worker", "url", "plugins"])
def test_a_word_of_the_core_is_refused(type_command: Type, name: str) -> None:
    """The core would refuse such a driver when it is loaded, so it is not written at all."""
    typed = type_command("driver", "new", name)
    assert typed.code == 2
    assert "a word of asynctasq's own settings" in typed.err


@pytest.mark.parametrize("name", ["memory", "conformance", *OWN_DRIVERS])
def test_a_name_of_ours_is_refused(type_command: Type, name: str) -> None:
    """The distributions of asynctasq keep their names."""
    typed = type_command("driver", "new", name)
    assert typed.code == 2
    assert "asynctasq's own; choose another" in typed.err


def test_nothing_is_written_over(type_command: Type) -> None:
    """A folder that is not empty, or no folder, is refused with what to do; an empty one is taken."""
    Path("empty").mkdir()
    assert type_command("driver", "new", "zeta", "--folder", "empty").code == 0
    Path("file").touch()
    for taken in ("empty", "file"):
        typed = type_command("driver", "new", "zeta", "--folder", taken)
        assert typed.code == 1
        assert "is there already" in typed.err
        assert "name another folder: --folder" in typed.err
