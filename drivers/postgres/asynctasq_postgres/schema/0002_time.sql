-- Seconds as an interval, rounded up to whole microseconds. A duration's own float error is no reason to round up.
CREATE FUNCTION {span}(p_seconds double precision) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ceil(p_seconds * 1e6 - 0.001) * interval '1 microsecond'
$$;

-- The state of a live task at one moment: time alone moves tasks between these.
CREATE FUNCTION {live_state}(
    p_receipt bigint, p_ready_at timestamptz, p_cancel_requested boolean, p_expires_at timestamptz, p_now timestamptz
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN p_receipt IS NOT NULL AND p_ready_at > p_now THEN 'leased'
        WHEN p_cancel_requested THEN 'cancelled'
        WHEN p_expires_at <= p_now THEN 'dead'
        WHEN p_ready_at > p_now THEN 'scheduled'
        ELSE 'ready'
    END
$$;

-- When time ended a task that it has ended: the end of its last lease counts, if that came later than its expiry.
CREATE FUNCTION {ended_at}(
    p_receipt bigint, p_ready_at timestamptz, p_cancel_requested boolean, p_expires_at timestamptz
) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN p_cancel_requested THEN p_ready_at
        WHEN p_receipt IS NULL THEN p_expires_at
        ELSE greatest(p_expires_at, p_ready_at)
    END
$$;

-- Locks live tasks in the order of their seq, as every transaction here does, so that none waits in a circle: except for
-- holders of dedupe keys, which are found when other rows are locked already. The server undoes one of such a circle, and
-- the driver runs it again.
CREATE FUNCTION {lock_tasks}(p_namespace bigint, p_seqs bigint[]) RETURNS void
LANGUAGE plpgsql {steady_plans} AS $$
BEGIN
    PERFORM
    FROM (SELECT DISTINCT seq FROM unnest(p_seqs) AS u (seq) ORDER BY seq) AS wanted,
        LATERAL (
            SELECT FROM {task} AS live WHERE live.namespace = p_namespace AND live.seq = wanted.seq FOR UPDATE
        ) AS locked;
END
$$;

-- Forgets ids, as far as they still stand for these tasks.
CREATE FUNCTION {forget}(p_namespace bigint, p_ids text[], p_seqs bigint[]) RETURNS void
LANGUAGE plpgsql {steady_plans} AS $$
BEGIN
    DELETE FROM {known} AS known
    USING unnest(p_ids, p_seqs) AS u (id, seq), LATERAL (
            SELECT k.ctid AS tid FROM {known} AS k
            WHERE k.namespace = p_namespace AND k.id = u.id AND k.seq = u.seq
            OFFSET 0
        ) AS spot
    WHERE known.ctid = spot.tid;
END
$$;

-- Removes records of what has ended.
CREATE FUNCTION {drop_records}(p_namespace bigint, p_seqs bigint[]) RETURNS void
LANGUAGE plpgsql {steady_plans} AS $$
BEGIN
    DELETE FROM {finished} AS record
    USING unnest(p_seqs) AS u (seq), LATERAL (
            SELECT k.ctid AS tid FROM {finished} AS k WHERE k.namespace = p_namespace AND k.seq = u.seq OFFSET 0
        ) AS spot
    WHERE record.ctid = spot.tid;
END
$$;

-- Moves tasks that time has ended to `finished`, and with p_cancel every waiting one, as cancelled.
-- The caller holds the locks of these rows, and has read the clock after taking them.
CREATE FUNCTION {store_ended}(p_namespace bigint, p_seqs bigint[], p_now timestamptz, p_cancel boolean)
RETURNS integer
LANGUAGE plpgsql {steady_plans} AS $$
DECLARE
    moved integer;
BEGIN
    WITH gone AS (
        DELETE FROM {task} AS live
        USING unnest(p_seqs) AS u (seq), LATERAL (
                SELECT k.ctid AS tid FROM {task} AS k WHERE k.namespace = p_namespace AND k.seq = u.seq OFFSET 0
            ) AS spot
        WHERE live.ctid = spot.tid
            AND (live.receipt IS NULL OR live.ready_at <= p_now)
            AND (p_cancel OR live.cancel_requested OR live.expires_at <= p_now)
        RETURNING live.*
    ), judged AS MATERIALIZED (
        SELECT
            gone.*,
            gone.cancel_requested OR gone.expires_at <= p_now AS by_time,
            NOT coalesce(gone.cancel_requested, false) AND coalesce(gone.expires_at <= p_now, false) AS expired
        FROM gone
    ), dated AS MATERIALIZED (
        SELECT
            judged.*,
            CASE WHEN by_time THEN {ended_at}(receipt, ready_at, cancel_requested, expires_at) ELSE p_now END AS moment
        FROM judged
    ), archived AS (
        INSERT INTO {finished} (
            namespace, seq, line, forget_at, finished_at, ready_at, enqueued_at, started_at, remember_for, keep_for,
            expires_after, attempt, priority, cancel_requested, state, queue, id, name, payload, correlation_id,
            dedupe_key, worker, reason, failures
        )
        SELECT
            namespace, seq, line,
            CASE WHEN expired THEN 'infinity' ELSE moment + {span}(coalesce(remember_for, 60)) END, moment, ready_at, enqueued_at, started_at, remember_for, keep_for,
            expires_after, attempt, priority, cancel_requested, CASE WHEN expired THEN 'dead' ELSE 'cancelled' END,
            queue, id, name, payload, correlation_id,
            dedupe_key, worker, CASE WHEN expired THEN 'expired' ELSE 'cancelled' END, failures
        FROM dated
    ), counted AS (
        INSERT INTO {journal} (namespace, forget_at, queue, dead, cancelled)
        SELECT p_namespace, p_now, queue, count(*) FILTER (WHERE expired), count(*) FILTER (WHERE NOT expired)
        FROM dated
        GROUP BY queue
    )
    SELECT count(*) INTO moved FROM dated;
    RETURN moved;
END
$$;
