"""The state machine bites: it catches the wrong drivers of old, whatever the seed."""

from __future__ import annotations

import re

import pytest
from asynctasq_conformance.model.machine import play_model
from asynctasq_conformance.mutants.catalogue import all_mutants
from asynctasq_conformance.mutants.gate import model_kills
from asynctasq_conformance.mutants.mutant import CATALOGUE
from asynctasq_conformance.mutants.plain_harness import PlainHarness

CAUGHT_BY_THE_MODEL = (
    "ack_unfenced",
    "nack_unfenced",
    "extend_unfenced",
    "ack_checks_token_but_not_expiry",
    "extend_shortens",
    "extend_revives_settled",
    "token_reused_per_attempt",
    "expired_lease_never_reclaimed",
    "crash_does_not_count_attempt",
    "retry_resets_attempt",
    "dead_letter_drops_payload",
    "completed_and_dead",
    "delay_ignored_on_retry",
    "lifo_within_priority",
    "priority_inverted",
    "equal_payloads_collapse",
    "duplicate_id_overwrites",
    "payload_nul_truncated",
    "restart_forgets_leases",
    "release_burns_attempt",
    "expired_task_holds_dedupe_key",
    "live_lease_expires",
    "cancelled_task_completes_after_lapse",
    "stale_item_stores_follow_up",
    "replay_keeps_attempts",
    "finished_id_forgotten_at_once",
    "second_equal_receipt_applied",
    "cancel_of_leased_deletes",
    "paused_queue_reserved",
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, None], ids=lambda seed: "derandomised" if seed is None else f"seed{seed}")
@pytest.mark.parametrize("name", CAUGHT_BY_THE_MODEL)
def test_the_model_catches(name: str, seed: int | None) -> None:
    """An assertion of the model fails within the profile `ci`, at three seeds and derandomised."""
    [mutant] = [one for one in all_mutants() if one.name == name]
    assert model_kills(mutant, seed), f"{name} ({mutant.summary}) lives past the model with seed {seed}"


def test_a_disagreement_is_told_in_the_terms_of_the_driver() -> None:
    """What was found is shrunk, and told as few calls with their outcomes, so that anybody can play it by hand."""
    with pytest.raises(AssertionError, match=r"delivered \['task-1'\]; the model says \[\]") as failure:
        play_model(PlainHarness(CATALOGUE["paused_queue_reserved"].driver_class), "asyncio", "ci")
    heading, *calls = next(note for note in failure.value.__notes__ if "\n" in note).splitlines()
    assert heading == "What was called, and what came of it:"
    assert len(calls) <= 5
    assert any(re.fullmatch(r"  \d\. enqueue_many\(\[task-1 in [ab].*\]\) -> \[accepted\]", call) for call in calls)
    assert any("pausing.pause(['" in call for call in calls)
    assert re.fullmatch(r"  \d\. reserve\(.*\) -> \[receipt 1 of task-1, attempt 1\]", calls[-1])
    assert any("state.reserve_while_paused(" in note for note in failure.value.__notes__)
