"""Deliveries end. Every settlement is fenced by its receipt: it applies to a live lease, or not at all."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from asynctasq.driver_api import Bury, Complete, Failure, NewTask, Release, Retry, Settlement, SettleOutcome
from asynctasq_sqlite.clock import milliseconds
from asynctasq_sqlite.enqueueing import enqueue
from asynctasq_sqlite.receipts import read_receipts
from asynctasq_sqlite.rows import Holding, holdings, seq_list
from asynctasq_sqlite.session import Session, fresh_token, to_json
from asynctasq_sqlite.transitions import CANCELLED, EXPIRED, Transitions

FAILURES_KEPT = 10

_STALE, _APPLIED = SettleOutcome.STALE, SettleOutcome.APPLIED
_read_failures = msgspec.json.Decoder(list[list[str | int]]).decode


def settle(session: Session, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
    """Apply each settlement whose lease is live."""
    found, receipts, again = read_receipts([settlement.receipt for settlement in settlements])
    if len(receipts.tokens) == len(settlements) and all(map(_may_be_plain, settlements)):
        done = _complete_plain(session, receipts.tokens, receipts.large)
        if done is None:
            return [_APPLIED] * len(settlements)
        outcomes = [_APPLIED if seq in done else _STALE for seq in found]
        others = {seq: place for place, seq in enumerate(found) if seq is not None and seq not in done}
    else:
        outcomes, others = _settle_plain_among(session, settlements, found, receipts.tokens, receipts.large)
    if others:
        tokens = {seq: receipts.tokens[seq] for seq in others}
        for seq in _settle_special(session, settlements, others, tokens, receipts.large):
            outcomes[others[seq]] = _APPLIED
    if again:  # several receipts of one task: at most one of them is real
        for place, outcome in zip(again, settle(session, [settlements[place] for place in again]), strict=True):
            outcomes[place] = outcome
    return outcomes


def _may_be_plain(settlement: Settlement) -> bool:
    return type(settlement) is Complete and not settlement.follow_ups


def _settle_plain_among(
    session: Session,
    settlements: Sequence[Settlement],
    found: Sequence[str | None],
    tokens: Mapping[str, int],
    large: set[str],
) -> tuple[list[SettleOutcome], dict[str, int]]:
    """Of a mixed batch complete what is plain. The outcomes so far, and the places of the others by their seq."""
    outcomes = [_STALE] * len(settlements)
    places: dict[str, int] = {}
    for place, seq in enumerate(found):
        if seq is not None:
            places.setdefault(seq, place)  # the second of two equal receipts is stale
    plain = {seq: tokens[seq] for seq, place in places.items() if _may_be_plain(settlements[place])}
    if plain:
        done = _complete_plain(session, plain, large & plain.keys())
        for seq in plain if done is None else done:
            outcomes[places.pop(seq)] = _APPLIED
    return outcomes, places


def _complete_plain(session: Session, tokens: Mapping[str, int], large: set[str]) -> set[str] | None:
    """Complete those of these deliveries that are live and of plain tasks. Gives their seqs; None: all of them."""
    done = 0
    rows = session.run("settle_plain", to_json(tokens), session.now, fresh_token()).fetchall()
    for queue, seqs in rows:
        session.run("leases_remove", seqs)
        count = seqs.count(",") + 1
        session.add_totals(queue, completed=count)
        done += count
    if done == len(tokens):
        _clear_payloads(session, large)
        return None
    seqs_done = {str(seq) for _, seqs in rows for seq in seq_list(seqs)}
    _clear_payloads(session, large & seqs_done)
    return seqs_done


def _clear_payloads(session: Session, seqs: Iterable[str]) -> None:
    cleared = ",".join(seqs)
    if cleared:
        session.run("payloads_clear", f"[{cleared}]")


def _settle_special(
    session: Session,
    settlements: Sequence[Settlement],
    places: Mapping[str, int],
    tokens: Mapping[str, int],
    large: set[str],
) -> list[str]:
    """Everything but plain completions, in the order of the batch. Gives the seqs of those that applied."""
    held = {
        str(holding.seq): holding for holding in holdings(session.value("settle_find", to_json(tokens), session.now))
    }
    applied = [seq for seq in sorted(places, key=places.__getitem__) if seq in held]
    transitions = Transitions(session)
    follow_ups: list[NewTask] = []
    unneeded: list[str] = []
    for seq in applied:
        settlement, holding = settlements[places[seq]], held[seq]
        if not isinstance(settlement, Complete):
            _apply(session, transitions, holding, settlement)
            continue
        transitions.complete(holding, settlement.result)
        if seq in large and not holding.keep_for:
            unneeded.append(seq)
        follow_ups += settlement.follow_ups
        if any(task.dedupe_key is not None for task in settlement.follow_ups):
            # Whether a key is free depends on who has ended before: write that down, then ask.
            transitions.write()
            enqueue(session, follow_ups)
            transitions, follow_ups = Transitions(session), []
    transitions.write()
    if follow_ups:
        enqueue(session, follow_ups)
    _clear_payloads(session, unneeded)
    return applied


def _apply(session: Session, transitions: Transitions, held: Holding, settlement: Settlement) -> None:
    now = session.now
    if isinstance(settlement, Retry):
        failures = _with_failure(held, settlement.failure, now)
        if _wait_again(transitions, held, now, delay=settlement.delay, attempt=held.attempt, failures=failures):
            session.add_totals(held.queue, retried=1)
    elif isinstance(settlement, Release):
        _wait_again(transitions, held, now, delay=settlement.delay, attempt=held.attempt - 1)
    elif isinstance(settlement, Bury):
        failures = _with_failure(held, settlement.failure, now)
        transitions.bury(held, settlement.reason, at=now, attempt=held.attempt, failures=failures)
    elif not isinstance(settlement, Complete):
        transitions.cancel(held, settlement.reason, at=now, attempt=held.attempt)


def _wait_again(
    transitions: Transitions, held: Holding, now: int, *, delay: float, attempt: int, failures: str | None = None
) -> bool:
    """Whether it does: a requested cancellation, or else an expiry, ends it instead."""
    if held.cancel_requested:
        transitions.cancel(held, CANCELLED, at=now, attempt=attempt, failures=failures)
    elif held.expires_at is not None and held.expires_at <= now:
        transitions.bury(held, EXPIRED, at=now, attempt=attempt, failures=failures)
    else:
        transitions.wait_again(held, at=now + milliseconds(delay), attempt=attempt, failures=failures)
        return True
    return False


def _with_failure(held: Holding, failure: Failure, now: int) -> str:
    """The stored failures and this one, the last ten."""
    failures = _read_failures(held.failures) if held.failures else []
    failures.append([failure.type, failure.message, failure.traceback, held.attempt, held.worker, now])
    return to_json(failures[-FAILURES_KEPT:])
