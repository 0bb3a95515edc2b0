"""The checker of histories finds each kind of violation, and nothing in a history that is right."""

from __future__ import annotations

from asynctasq_conformance.concurrency.history import History, Taken


def history_of(*taken: Taken, accepted: tuple[str, ...] = ("t",), lost_reserves: int = 0) -> list[str]:
    """The violations of a history of one task."""
    history = History(accepted=[*accepted], taken=[*taken], lost_reserves=lost_reserves)
    history.epoch = max((one.epoch for one in taken), default=0)
    return [*history.violations()]


def delivery(
    returned: int,
    *,
    receipt: str = "",
    attempt: int = 1,
    epoch: int = 0,
    kind: str | None = None,
    applied: bool | None = None,
) -> Taken:
    """One delivery of the task, settled right after it was returned."""
    return Taken("t", receipt or f"r{returned}", attempt, f"w{returned}", epoch, returned, kind, returned + 1, applied)


def test_a_right_history_has_no_violation() -> None:
    """Retried, released, lapsed, and completed at last: all of it is right."""
    assert not history_of(
        delivery(1, kind="retry", applied=True),
        delivery(3, attempt=2, kind="release", applied=True),
        delivery(5, attempt=2),
        delivery(7, attempt=3, epoch=1, kind="complete", applied=True),
    )


def test_an_overlap_is_found() -> None:
    """Two deliveries of one task, with nothing between them that ended the first lease."""
    [violation] = history_of(delivery(1), delivery(3, attempt=2))
    assert "while w1 held it" in violation


def test_an_unanswered_release_may_have_been_applied() -> None:
    """A settlement whose answer never came may or may not have happened."""
    first = delivery(1, kind="release", applied=None)
    assert not history_of(first, delivery(3, attempt=1))
    assert not history_of(first, delivery(3, attempt=2, epoch=1))


def test_a_receipt_issued_twice_is_found() -> None:
    """A receipt is never reused."""
    violations = history_of(
        delivery(1, receipt="same", kind="retry", applied=True), delivery(3, receipt="same", attempt=2)
    )
    assert any("issued twice" in violation for violation in violations)


def test_two_endings_are_found() -> None:
    """A task ends once."""
    violations = history_of(
        delivery(1, kind="complete", applied=True), delivery(3, attempt=2, epoch=1, kind="bury", applied=True)
    )
    assert any("ended 2 times" in violation for violation in violations)


def test_a_resurrection_is_found() -> None:
    """A task that ended is not delivered again."""
    violations = history_of(delivery(1, kind="complete", applied=True), delivery(3, attempt=2, epoch=1))
    assert any("after it had ended" in violation for violation in violations)


def test_a_refused_settlement_of_a_live_lease_is_found() -> None:
    """Whoever holds a task can settle it."""
    [violation] = history_of(delivery(1, kind="complete", applied=False))
    assert "was stale" in violation


def test_a_wrong_attempt_is_found() -> None:
    """Attempts are deliveries less releases; a lost reply of a reserve may have added one."""
    [violation] = history_of(delivery(1, kind="retry", applied=True), delivery(3, attempt=3))
    assert "as attempt 3" in violation
    assert not history_of(delivery(1, kind="retry", applied=True), delivery(3, attempt=3), lost_reserves=1)


def test_a_phantom_is_found() -> None:
    """What is delivered was accepted."""
    [violation] = history_of(delivery(1), accepted=())
    assert "never accepted" in violation
