"""Deliveries end. Every settlement is fenced by its receipt: it applies to a live lease, or not at all."""

from collections.abc import Iterable, Mapping, Sequence

from asynctasq.driver_api import Bury, Complete, Failure, NewTask, Release, Retry, Settlement, SettleOutcome
from asynctasq_sqlite.clock import milliseconds
from asynctasq_sqlite.enqueueing import enqueue
from asynctasq_sqlite.receipts import Receipts, read_receipts, tokens_at_once
from asynctasq_sqlite.rows import Holding, holdings, seq_list, stored_failures
from asynctasq_sqlite.session import Session, fresh_token, to_json
from asynctasq_sqlite.transitions import CANCELLED, EXPIRED, Transitions

FAILURES_KEPT = 10

_STALE, _APPLIED = SettleOutcome.STALE, SettleOutcome.APPLIED


def settle(session: Session, settlements: Sequence[Settlement]) -> list[SettleOutcome]:
    """Apply each settlement whose lease is live."""
    receipts = [settlement.receipt for settlement in settlements]
    done: list[str] = []
    if all(map(_may_be_plain, settlements)) and (tokens := tokens_at_once(receipts)) is not None:
        done, count = _complete_plain(session, tokens)
        if count == len(settlements):
            return [_APPLIED] * count
    read = read_receipts(receipts)
    outcomes = [_STALE] * len(settlements)
    places: dict[str, int] = {}
    for place, seq in enumerate(read.seqs):
        if seq is not None:
            places.setdefault(seq, place)  # the second of two equal receipts is stale
    for seq in _seqs(done):
        outcomes[places.pop(seq)] = _APPLIED
    for seq in _settle_mixed(session, settlements, places, read):
        outcomes[places[seq]] = _APPLIED
    if read.again:
        others = settle(session, [settlements[place] for place in read.again])
        for place, outcome in zip(read.again, others, strict=True):
            outcomes[place] = outcome
    return outcomes


def _may_be_plain(settlement: Settlement) -> bool:
    return type(settlement) is Complete and not settlement.follow_ups


def _complete_plain(session: Session, tokens: str) -> tuple[list[str], int]:
    """Complete those of these deliveries (as JSON, {seq: token}) that are live and of plain tasks.

    Gives their seqs, as JSON arrays, and how many they are.
    """
    rows = session.run("settle_plain", tokens, session.now, fresh_token()).fetchall()
    done = 0
    for queue, seqs in rows:
        session.run("leases_remove", seqs)
        count = seqs.count(",") + 1
        session.add_totals(queue, completed=count)
        done += count
    return [seqs for _, seqs in rows], done


def _seqs(arrays: Iterable[str]) -> list[str]:
    return [str(seq) for seqs in arrays for seq in seq_list(seqs)]


def _settle_mixed(
    session: Session, settlements: Sequence[Settlement], places: Mapping[str, int], read: Receipts
) -> list[str]:
    """Settle deliveries of any kind, given by seq and place in the batch. Gives the seqs of those that applied."""
    plain = {seq: read.tokens[seq] for seq, place in places.items() if _may_be_plain(settlements[place])}
    done: list[str] = []
    if plain:
        done = _seqs(_complete_plain(session, to_json(plain))[0])
        _clear_payloads(session, read.large.intersection(done))
    others = dict(places)
    for seq in done:
        del others[seq]
    return done + _settle_special(session, settlements, others, read) if others else done


def _clear_payloads(session: Session, seqs: Iterable[str]) -> None:
    cleared = ",".join(seqs)
    if cleared:
        session.run("payloads_clear", f"[{cleared}]")


def _settle_special(
    session: Session, settlements: Sequence[Settlement], places: Mapping[str, int], read: Receipts
) -> list[str]:
    """Everything but plain completions, in the order of the batch. Gives the seqs of those that applied."""
    tokens = to_json({seq: read.tokens[seq] for seq in places})
    held = {str(holding.seq): holding for holding in holdings(session.value("settle_find", tokens, session.now))}
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
        if seq in read.large and not holding.keep_for:
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
    failures = stored_failures(held.failures)
    failures.append((failure.type, failure.message, failure.traceback, held.attempt, held.worker, now))
    return to_json(failures[-FAILURES_KEPT:])
