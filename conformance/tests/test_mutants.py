"""The suite bites: every mutant is caught by the group it names, and every sentence is shown and broken."""

from __future__ import annotations

import pytest
from asynctasq_conformance.examples import GROUPS, all_examples, examples_of
from asynctasq_conformance.groups import concurrency
from asynctasq_conformance.mutants.catalogue import all_mutants
from asynctasq_conformance.mutants.gate import judge
from asynctasq_conformance.mutants.mutant import CATALOGUE, Mutant
from asynctasq_conformance.sentences import SENTENCES, markdown_table
from asynctasq_conformance.sentences.table import examples_by_sentence, mutants_by_sentence

MISTAKES_SEEN = (
    "ack_unfenced",
    "nack_unfenced",
    "extend_unfenced",
    "ack_checks_token_but_not_expiry",
    "extend_is_noop",
    "extend_shortens",
    "extend_revives_settled",
    "token_reused_per_attempt",
    "expired_lease_never_reclaimed",
    "crash_does_not_count_attempt",
    "retry_resets_attempt",
    "dead_letter_drops_payload",
    "completed_and_dead",
    "delay_ignored_on_retry",
    "delay_truncated_to_int",
    "lifo_within_priority",
    "priority_inverted",
    "over_claims_batch",
    "returns_empty_when_head_is_delayed",
    "equal_payloads_collapse",
    "duplicate_id_overwrites",
    "payload_nul_truncated",
    "restart_forgets_leases",
    "replay_of_live_task_allowed",
    "non_atomic_batch",
    "result_visible_before_completion",
    "racy_reserve",
    "cancelled_settle_loses_task",
    "wake_up_before_commit",
    "paused_queue_reserved",
    "cancel_of_leased_deletes",
    "release_burns_attempt",
    "dedupe_key_kept_after_completion",
    "stats_count_expired_as_running",
    "available_at_kept_after_retry",
    "available_at_kept_after_lapse",
    "expired_task_holds_dedupe_key",
    "live_lease_expires",
    "cancelled_task_completes_after_lapse",
    "follow_up_before_dedupe_release",
    "stale_item_stores_follow_up",
    "replay_keeps_expiry",
    "totals_shrink_on_delete",
    "finished_id_forgotten_at_once",
    "second_equal_receipt_applied",
    "guest_commits",
    "cancel_request_lost_on_expiry",
    "cancel_request_lost_on_retry",
    "follow_ups_not_atomic",
)


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant) -> None:
    """An assertion of the named group fails, in an example of the very sentence that the mutant breaks."""
    verdict = judge(mutant)
    assert verdict.killed_by is not None, f"{mutant.name} ({mutant.summary}) survived; broke: {verdict.broke}"
    assert verdict.proves, f"{mutant.name} breaks {mutant.breaks}, but {verdict.killed_by.name} caught it"


@pytest.mark.parametrize("seed", concurrency.CONTENTION_SEEDS)
@pytest.mark.parametrize("name", ["reserve_takes_turns_badly", "settlements_overwrite_each_other"])
def test_contention_kills_with_every_seed(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is random in the example tests bites with each of its seeds alone."""
    monkeypatch.setattr(concurrency, "CONTENTION_SEEDS", (seed,))
    verdict = judge(CATALOGUE[name])
    assert verdict.killed_by is not None
    assert verdict.killed_by.name == "test_contention_breaks_no_promise"


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda mutant: mutant.name)
def test_mutant_differs_in_one_method(mutant: Mutant) -> None:
    """A mutant changes one thing of the right driver."""
    assert len(mutant.changes) == 1, f"{mutant.name} changes {mutant.changes}"


def test_the_catalogue_has_the_wrong_drivers_that_must_never_go() -> None:
    """Mistakes that drivers were seen to make stay in the catalogue, by name; there are many more beside them."""
    names = {mutant.name for mutant in all_mutants()}
    assert not set(MISTAKES_SEEN) - names
    assert len(names) >= 200


def test_every_group_is_proven() -> None:
    """Each group's file is proven by at least one mutant."""
    # Faults need a server, and the mutants have none.
    assert {mutant.killer for mutant in all_mutants()} >= set(GROUPS) - {"faults"}
    assert all(examples_of(group) for group in GROUPS)


def test_every_sentence_has_an_example_or_a_reason() -> None:
    """Each sentence of the contract has an example test, or says why it can have none, and not both."""
    examples = examples_by_sentence()
    wrong = [s.number for s in SENTENCES if (s.number in examples) == bool(s.no_example)]
    assert not wrong
    assert set(examples) <= {sentence.number for sentence in SENTENCES}


def test_every_sentence_has_a_mutant_or_a_reason() -> None:
    """Each sentence of the contract has a mutant, or says why it can have none, and not both."""
    mutants = mutants_by_sentence()
    wrong = [s.number for s in SENTENCES if (s.number in mutants) == bool(s.no_mutant)]
    assert not wrong
    assert set(mutants) <= {sentence.number for sentence in SENTENCES}


def test_the_table_names_every_example_and_mutant() -> None:
    """The generated table is complete."""
    table = markdown_table(SENTENCES)
    missing = [one.name for one in (*all_examples(), *all_mutants()) if one.name not in table]
    assert not missing
