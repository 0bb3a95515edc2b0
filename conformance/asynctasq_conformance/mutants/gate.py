"""The gate: every mutant must be caught by an assertion of the group that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from asynctasq_conformance.examples import Example, NotApplicable, examples_of
from asynctasq_conformance.model.machine import play_model
from asynctasq_conformance.mutants.mutant import Mutant
from asynctasq_conformance.mutants.plain_harness import PlainHarness
from asynctasq_conformance.running import leaves_of, run_example

_JUDGES = tuple(f"asynctasq_conformance.{name}" for name in ("groups", "subject", "running", "model", "concurrency"))


@dataclass(frozen=True)
class Verdict:
    """What became of one mutant."""

    mutant: Mutant
    killed_by: Example | None
    """The example test, or None: it survived."""
    tried: int
    """How many examples it took."""
    broke: Sequence[str] = ()
    """Examples that ended by an exception out of the mutant, which proves nothing."""

    @property
    def proves(self) -> frozenset[str]:
        """The sentences that the mutant breaks and whose example caught it."""
        caught: tuple[str, ...] = () if self.killed_by is None else self.killed_by.sentences
        return frozenset(caught) & frozenset(self.mutant.breaks)


def judge(mutant: Mutant, event_loop: str = "asyncio") -> Verdict:
    """Run the mutant's killer group until one of its assertions fails."""
    broke: list[str] = []
    tried = 0
    # Those first that claim to protect the very sentence.
    examples = sorted(examples_of(mutant.killer), key=lambda one: not set(one.sentences) & set(mutant.breaks))
    for example in examples:
        tried += 1
        try:
            run_example(example, PlainHarness(mutant.driver_class), event_loop)
        except NotApplicable:
            continue
        except Exception as error:
            if any(is_assertion_of_the_suite(leaf) for leaf in leaves_of(error)):
                return Verdict(mutant, example, tried, broke)
            broke.append(f"{example.name}: {error!r}")
    return Verdict(mutant, None, tried, broke)


def is_assertion_of_the_suite(error: BaseException) -> bool:
    """The error is an assertion, and it was made by the suite rather than inside the driver."""
    return isinstance(error, AssertionError) and _module_that_raised(error.__traceback__).startswith(_JUDGES)


def _module_that_raised(traceback: TracebackType | None) -> str:
    module = ""
    while traceback is not None:
        module = traceback.tb_frame.f_globals.get("__name__", "")
        traceback = traceback.tb_next
    return module


def model_kills(mutant: Mutant, seed: int | None, event_loop: str = "asyncio") -> bool:
    """Whether the state machine catches the mutant within the profile `ci`, with a seed or derandomised. Nothing is
    shrunk."""
    try:
        play_model(PlainHarness(mutant.driver_class), event_loop, "ci", seed, shrink=False)
    except Exception as error:
        return any(is_assertion_of_the_suite(leaf) for leaf in leaves_of(error))
    return False
