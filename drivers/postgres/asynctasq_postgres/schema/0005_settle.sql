-- Completions without follow-ups, of tasks that keep nothing, in the order of their seq. Returns a row per journal
-- entry: how many were applied, and which, unless all were. The driver sends the others to settle(). Not for a caller's
-- own transaction.
CREATE FUNCTION {settle_plain}(p_namespace bigint, p_seqs bigint[], p_receipts bigint[])
RETURNS TABLE (completed integer, seqs bigint[])
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH gone AS (
        -- Locked one by one in the order of their seq, as everybody does, before the clock is read and the first is
        -- deleted: a lease that ended while this waited for a lock has ended. Deleted as they are stored: a join would
        -- cost a copy of each row for the case that it has changed, and a look at the table's size.
        DELETE FROM {task} AS live
        WHERE live.ctid = ANY (
                ARRAY(
                    SELECT locked.tid
                    FROM unnest(p_seqs, p_receipts) AS u (seq, receipt), LATERAL (
                            SELECT k.ctid AS tid FROM {task} AS k
                            WHERE k.namespace = p_namespace AND k.seq = u.seq AND k.receipt = u.receipt
                            FOR UPDATE
                        ) AS locked
                )
            )
            AND live.ready_at > clock_timestamp() AND live.keep_for IS NULL
        RETURNING live.seq, live.id, live.queue, live.remember_for
    ), noted AS (
        INSERT INTO {journal} (namespace, forget_at, completed, queue, seqs, ids)
        SELECT
            p_namespace, clock_timestamp() + {span}(coalesce(remember_for, 60)), count(*), queue,
            array_agg(seq), array_agg(id)
        FROM gone
        GROUP BY queue, remember_for
        RETURNING completed, seqs
    )
    SELECT completed, CASE WHEN completed < cardinality(p_seqs) THEN seqs END FROM noted;
END
$$;

-- One run of settlements, of rows that settle() has locked. Returns the places applied, counted from p_first.
CREATE FUNCTION {settle_part}(
    p_namespace bigint,
    p_now timestamptz,
    p_first integer,
    p_seqs bigint[],
    p_receipts bigint[],
    p_kinds smallint[],
    p_delays double precision[],
    p_results bytea[],
    p_failures text[],
    p_reasons text[]
) RETURNS integer[]
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    places integer[];
BEGIN
    WITH judged AS MATERIALIZED (
        SELECT DISTINCT ON (u.seq)
            u.*,
            live.tid,
            CASE
                WHEN u.kind = 1 THEN 'completed'
                WHEN u.kind = 4 THEN 'dead'
                WHEN u.kind = 5 OR live.cancel_requested THEN 'cancelled'
                WHEN live.expires_at <= p_now THEN 'dead'
            END AS state,
            CASE WHEN u.failure IS NULL THEN live.failures ELSE (
                json_build_object(
                    'attempt', live.attempt, 'worker', live.worker,
                    'at', (extract(epoch FROM p_now) * 1000000)::bigint, 'failure', u.failure::json
                )::text || live.failures
            )[1:10] END AS failures
        FROM unnest(p_seqs, p_receipts, p_kinds, p_delays, p_results, p_failures, p_reasons) WITH ORDINALITY
            AS u (seq, receipt, kind, delay, result, failure, reason, place),
            LATERAL (
                SELECT k.ctid AS tid, k.attempt, k.worker, k.cancel_requested, k.expires_at, k.failures
                FROM {task} AS k
                WHERE k.namespace = p_namespace AND k.seq = u.seq AND k.receipt = u.receipt
                    AND (k.ready_at > p_now) IS TRUE -- as in extend()
                OFFSET 0
            ) AS live
        ORDER BY u.seq, u.place
    ), gone AS (
        DELETE FROM {task} AS live
        USING judged AS j
        WHERE live.ctid = j.tid AND j.state IS NOT NULL
        RETURNING
            live.seq, live.line, live.ready_at, live.enqueued_at, live.started_at, live.remember_for, live.keep_for,
            live.expires_after, live.attempt - (j.kind = 3)::integer AS attempt, live.priority,
            live.cancel_requested, live.queue, live.id, live.name, live.payload, live.correlation_id,
            live.dedupe_key, live.worker, j.state, j.failures, j.result,
            CASE
                WHEN j.kind IN (4, 5) THEN j.reason
                WHEN j.state = 'cancelled' THEN 'cancelled'
                WHEN j.state = 'dead' THEN 'expired'
            END AS reason,
            CASE
                WHEN j.state = 'dead' THEN 'infinity'
                WHEN j.state = 'cancelled' THEN p_now + {span}(coalesce(live.remember_for, 60))
                ELSE p_now + {span}(greatest(coalesce(live.remember_for, 60), live.keep_for))
            END AS forget_at,
            j.state <> 'completed' OR live.keep_for IS NOT NULL AS kept
    ), archived AS (
        INSERT INTO {finished} (
            namespace, seq, line, forget_at, finished_at, ready_at, enqueued_at, started_at, remember_for, keep_for,
            expires_after, attempt, priority, cancel_requested, state, queue, id, name, payload, correlation_id,
            dedupe_key, worker, reason, failures, result
        )
        SELECT
            p_namespace, seq, line, forget_at, p_now, ready_at, enqueued_at, started_at, remember_for, keep_for,
            expires_after, attempt, priority, cancel_requested, state, queue, id, name, payload, correlation_id,
            dedupe_key, worker, reason, failures, result
        FROM gone
        WHERE kept
    ), waiting_again AS (
        UPDATE {task} AS live
        SET receipt = NULL, ready_at = p_now + {span}(j.delay), attempt = live.attempt - (j.kind = 3)::integer,
            failures = j.failures
        FROM judged AS j
        WHERE live.ctid = j.tid AND j.state IS NULL
        RETURNING live.queue, j.kind
    ), noted AS (
        INSERT INTO {journal} (namespace, forget_at, completed, dead, retried, cancelled, queue, seqs, ids)
        SELECT
            p_namespace, coalesce(forget_at, p_now), count(*) FILTER (WHERE state = 'completed'),
            count(*) FILTER (WHERE state = 'dead'), count(*) FILTER (WHERE state = 'retried'),
            count(*) FILTER (WHERE state = 'cancelled'), queue,
            array_agg(seq) FILTER (WHERE forget_at IS NOT NULL), array_agg(id) FILTER (WHERE forget_at IS NOT NULL)
        FROM (
            SELECT queue, state, seq, id, CASE WHEN NOT kept THEN forget_at END AS forget_at FROM gone
            UNION ALL
            SELECT queue, 'retried', NULL, NULL, NULL FROM waiting_again WHERE kind = 2
        ) AS events
        GROUP BY queue, forget_at
    )
    SELECT array_agg((p_first + place)::integer) INTO places FROM judged;
    RETURN places;
END
$$;

-- Any settlements, applied in their order. Kinds: 1 Complete, 2 Retry, 3 Release, 4 Bury, 5 Cancel. The arrays f_* are
-- the follow-ups; f_owners says which settlement each belongs to, and f_runs which of them go in one call of enqueue(),
-- one run behind the other: NULL if all do. Returns the places of those that were applied, and
-- NULL when the isolation level is not READ COMMITTED.
CREATE FUNCTION {settle}(
    p_namespace bigint,
    p_seqs bigint[],
    p_receipts bigint[],
    p_kinds smallint[],
    p_delays double precision[],
    p_results bytea[],
    p_failures text[],
    p_reasons text[],
    f_owners integer[],
    f_runs integer[],
    f_ids text[],
    f_payloads bytea[],
    f_correlation_ids text[],
    f_queues text[],
    f_lines bigint[],
    f_names text[],
    f_priorities smallint[],
    f_delays double precision[],
    f_available_ats timestamptz[],
    f_dedupe_keys text[],
    f_expires_afters double precision[],
    f_keep_fors double precision[],
    f_remember_fors double precision[],
    p_channels text[]
) RETURNS integer[]
LANGUAGE plpgsql {steady_plans} AS $$
DECLARE
    t timestamptz;
    bounds integer[];
    first integer := 0;
    last integer;
    now_applied integer[];
    applied integer[] := ARRAY[]::integer[];
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN NULL;
    END IF;
    PERFORM {lock_tasks}(p_namespace, p_seqs);
    t := clock_timestamp();
    IF f_dedupe_keys IS NOT NULL THEN
        -- A follow-up whose key is held by a task that is settled later in this batch comes before that settlement.
        WITH holders AS MATERIALIZED (
            SELECT f.owner, live.seq
            FROM unnest(f_owners, f_queues, f_dedupe_keys) AS f (owner, queue, dedupe_key),
                LATERAL (
                    SELECT k.seq
                    FROM {task} AS k
                    WHERE k.namespace = p_namespace AND k.queue = f.queue AND k.dedupe_key = f.dedupe_key
                        AND k.dedupe_key IS NOT NULL
                    OFFSET 0
                ) AS live
        )
        SELECT array_agg(DISTINCT h.owner ORDER BY h.owner) INTO bounds
        FROM holders AS h
        JOIN unnest(p_seqs) WITH ORDINALITY AS s (seq, place) ON s.seq = h.seq AND s.place > h.owner;
    END IF;
    FOREACH last IN ARRAY coalesce(bounds, ARRAY[]::integer[]) || cardinality(p_seqs) LOOP
        now_applied := {settle_part}(
            p_namespace, t, first, p_seqs[first + 1:last], p_receipts[first + 1:last], p_kinds[first + 1:last],
            p_delays[first + 1:last], p_results[first + 1:last], p_failures[first + 1:last],
            p_reasons[first + 1:last]
        );
        applied := applied || now_applied;
        IF f_owners IS NOT NULL AND now_applied IS NOT NULL THEN
            FOR settle_run IN 1..coalesce(f_runs[cardinality(f_runs)], 1) LOOP
                PERFORM {enqueue}(
                    p_namespace, ids, payloads, correlation_ids, queues, lines, names, priorities, delays,
                    available_ats, dedupe_keys, expires_afters, keep_fors, remember_fors, NULL
                )
                FROM (
                    SELECT
                        array_agg(id) AS ids, array_agg(payload) AS payloads,
                        array_agg(correlation_id) AS correlation_ids, array_agg(queue) AS queues,
                        array_agg(line) AS lines, array_agg(name) AS names, array_agg(priority) AS priorities,
                        array_agg(delay) AS delays, array_agg(available_at) AS available_ats,
                        CASE WHEN f_dedupe_keys IS NOT NULL THEN array_agg(dedupe_key) END AS dedupe_keys,
                        array_agg(expires_after) AS expires_afters, array_agg(keep_for) AS keep_fors,
                        array_agg(remember_for) AS remember_fors
                    FROM unnest(
                        f_owners, f_runs, f_ids, f_payloads, f_correlation_ids, f_queues, f_lines, f_names,
                        f_priorities, f_delays, f_available_ats, f_dedupe_keys, f_expires_afters, f_keep_fors,
                        f_remember_fors
                    ) AS f (
                        owner, run, id, payload, correlation_id, queue, line, name, priority, delay,
                        available_at, dedupe_key, expires_after, keep_for, remember_for
                    )
                    WHERE (owner IN (SELECT unnest(now_applied))) IS TRUE AND coalesce(f.run, 1) = settle_run
                    HAVING count(*) > 0
                ) AS follow_ups;
            END LOOP;
        END IF;
        first := last;
    END LOOP;
    PERFORM pg_notify(channel, '') FROM unnest(p_channels) AS c (channel);
    RETURN applied;
END
$$;

-- Heartbeats: one row per receipt whose lease is live.
CREATE FUNCTION {extend}(p_namespace bigint, p_seqs bigint[], p_receipts bigint[], p_lease double precision)
RETURNS TABLE (seq bigint, receipt bigint, seconds_left double precision, cancel_requested boolean)
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    t timestamptz;
BEGIN
    PERFORM {lock_tasks}(p_namespace, p_seqs);
    t := clock_timestamp();
    RETURN QUERY
    UPDATE {task} AS live
    SET ready_at = greatest(live.ready_at, t + {span}(p_lease))
    FROM unnest(p_seqs, p_receipts) AS u (seq, receipt), LATERAL (
            SELECT k.ctid AS tid FROM {task} AS k WHERE k.namespace = p_namespace AND k.seq = u.seq OFFSET 0
        ) AS spot
    WHERE live.ctid = spot.tid AND live.receipt = u.receipt
        AND (live.ready_at > t) IS TRUE -- a plain comparison would invite a walk over the index of all due times
    RETURNING
        live.seq, live.receipt, extract(epoch FROM live.ready_at - t)::double precision,
        live.cancel_requested IS NOT NULL;
END
$$;
