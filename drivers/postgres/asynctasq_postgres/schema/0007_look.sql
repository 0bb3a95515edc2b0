CREATE TYPE {record} AS (
    seq bigint, id text, queue text, name text, payload bytea, correlation_id text, priority smallint, dedupe_key text,
    expires_after double precision, keep_for double precision, remember_for double precision, state text,
    attempts integer, cancel_requested boolean, worker text, seconds_left double precision, reason text, result bytea,
    failures text[], enqueued_at timestamptz, available_at timestamptz, started_at timestamptz, finished_at timestamptz
);

-- Everything that is stored of these tasks, as of p_now. STABLE: it sees what the statement around it sees.
CREATE FUNCTION {records}(p_namespace bigint, p_seqs bigint[], p_now timestamptz) RETURNS SETOF {record}
LANGUAGE plpgsql STABLE {steady_plans} AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        live.seq, live.id, live.queue, live.name, live.payload, live.correlation_id, live.priority, live.dedupe_key,
        live.expires_after, coalesce(live.keep_for, 0), coalesce(live.remember_for, 60), live.state,
        live.attempt, coalesce(live.cancel_requested, false), live.worker,
        CASE WHEN live.state = 'leased' THEN extract(epoch FROM live.ready_at - p_now)::double precision END,
        CASE live.state WHEN 'dead' THEN 'expired' WHEN 'cancelled' THEN 'cancelled' END, NULL::bytea,
        live.failures, live.enqueued_at, live.ready_at, live.started_at,
        CASE WHEN live.state IN ('dead', 'cancelled') THEN
            {ended_at}(live.receipt, live.ready_at, live.cancel_requested, live.expires_at)
        END
    FROM (
        SELECT
            k.*,
            {live_state}(k.receipt, k.ready_at, k.cancel_requested, k.expires_at, p_now) AS state
        FROM unnest(p_seqs) AS u (seq),
            LATERAL (SELECT * FROM {task} AS t WHERE t.namespace = p_namespace AND t.seq = u.seq OFFSET 0) AS k
    ) AS live;
    RETURN QUERY
    SELECT
        k.seq, k.id, k.queue, k.name, k.payload, k.correlation_id, k.priority, k.dedupe_key,
        k.expires_after, coalesce(k.keep_for, 0), coalesce(k.remember_for, 60), k.state,
        k.attempt, coalesce(k.cancel_requested, false), k.worker,
        NULL::double precision, k.reason, k.result,
        k.failures, k.enqueued_at, k.ready_at, k.started_at, k.finished_at
    FROM unnest(p_seqs) AS u (seq),
        LATERAL (SELECT * FROM {finished} AS f WHERE f.namespace = p_namespace AND f.seq = u.seq OFFSET 0) AS k;
END
$$;

-- The next page of matching tasks in the order of their seq, after p_after (exclusive). Looks at no more than
-- p_limit + 1000 rows of each table; `next` is where to go on, NULL at the end.
CREATE FUNCTION {find}(
    p_namespace bigint, p_queue text, p_state text, p_name text, p_correlation_id text, p_older_than double precision,
    p_limit integer, p_after bigint, p_now timestamptz, OUT seqs bigint[], OUT next bigint
)
LANGUAGE plpgsql STABLE {steady_plans} SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
    scan integer := p_limit + 1000;
    enqueued_until timestamptz := p_now - {span}(p_older_than);
    live_seqs bigint[];
    live_hits bigint[];
    ended_seqs bigint[];
    ended_hits bigint[];
    until bigint;
BEGIN
    IF p_state IS NULL OR p_state IN ('scheduled', 'ready', 'leased') THEN
        SELECT array_agg(seq), array_agg(seq) FILTER (WHERE wanted) INTO live_seqs, live_hits
        FROM (
            SELECT
                seq,
                (p_queue IS NULL OR queue = p_queue)
                AND (p_name IS NULL OR name = p_name)
                AND (p_correlation_id IS NULL OR coalesce(correlation_id = p_correlation_id, false))
                AND (enqueued_until IS NULL OR enqueued_at <= enqueued_until)
                AND (
                    p_state IS NULL
                    OR {live_state}(receipt, ready_at, cancel_requested, expires_at, p_now) = p_state
                ) AS wanted
            FROM {task}
            WHERE namespace = p_namespace AND seq > p_after
            ORDER BY seq
            LIMIT scan
        ) AS looked_at;
    END IF;
    IF p_state = 'dead' THEN
        SELECT array_agg(seq), array_agg(seq) FILTER (WHERE wanted) INTO ended_seqs, ended_hits
        FROM (
            SELECT
                seq,
                (p_queue IS NULL OR queue = p_queue)
                AND (p_name IS NULL OR name = p_name)
                AND (p_correlation_id IS NULL OR coalesce(correlation_id = p_correlation_id, false))
                AND (enqueued_until IS NULL OR enqueued_at <= enqueued_until) AS wanted
            FROM {finished}
            WHERE namespace = p_namespace AND seq + 0 > p_after AND state = 'dead'
            ORDER BY seq + 0
            LIMIT scan
        ) AS looked_at;
    ELSIF p_state IS NULL OR p_state IN ('completed', 'cancelled') THEN
        SELECT array_agg(seq), array_agg(seq) FILTER (WHERE wanted) INTO ended_seqs, ended_hits
        FROM (
            SELECT
                seq,
                (p_queue IS NULL OR queue = p_queue)
                AND (p_name IS NULL OR name = p_name)
                AND (p_correlation_id IS NULL OR coalesce(correlation_id = p_correlation_id, false))
                AND (enqueued_until IS NULL OR enqueued_at <= enqueued_until)
                AND (p_state IS NULL OR state = p_state) AS wanted
            FROM {finished}
            WHERE namespace = p_namespace AND seq > p_after
            ORDER BY seq
            LIMIT scan
        ) AS looked_at;
    END IF;
    until := least(
        CASE WHEN cardinality(live_seqs) = scan THEN live_seqs[scan] END,
        CASE WHEN cardinality(ended_seqs) = scan THEN ended_seqs[scan] END
    );
    seqs := ARRAY(
        SELECT seq
        FROM unnest(live_hits || ended_hits) AS u (seq)
        WHERE until IS NULL OR seq <= until
        ORDER BY seq
        LIMIT p_limit
    );
    next := CASE WHEN cardinality(seqs) = p_limit THEN seqs[p_limit] ELSE until END;
END
$$;

-- Gauges and totals per queue, at one instant. What time ended counts as ended, stored or not.
CREATE FUNCTION {stats}(p_namespace bigint, p_queues text[]) RETURNS TABLE (
    queue text, ready bigint, scheduled bigint, leased bigint, dead bigint, oldest_ready_age double precision,
    total_completed bigint, total_dead bigint, total_retried bigint, total_cancelled bigint
)
LANGUAGE plpgsql SET plan_cache_mode = force_custom_plan SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH clock AS MATERIALIZED (
        SELECT clock_timestamp() AS t
    ), live AS (
        SELECT
            queue,
            count(*) FILTER (WHERE state = 'ready') AS ready,
            count(*) FILTER (WHERE state = 'scheduled') AS scheduled,
            count(*) FILTER (WHERE state = 'leased') AS leased,
            count(*) FILTER (WHERE state = 'dead') AS dead,
            count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
            extract(epoch FROM max(t) - min(ready_at) FILTER (WHERE state = 'ready'))::double precision AS age
        FROM (
            SELECT
                k.queue, k.ready_at, clock.t,
                {live_state}(k.receipt, k.ready_at, k.cancel_requested, k.expires_at, clock.t) AS state
            FROM {task} AS k, clock
            WHERE k.namespace = p_namespace AND (p_queues IS NULL OR k.queue = ANY (p_queues))
        ) AS tasks
        GROUP BY queue
    ), dead AS (
        SELECT queue, count(*) AS dead
        FROM {finished}
        WHERE namespace = p_namespace AND state = 'dead' AND (p_queues IS NULL OR queue = ANY (p_queues))
        GROUP BY queue
    ), ended AS (
        SELECT
            queue, sum(completed)::bigint AS completed, sum(dead)::bigint AS dead, sum(retried)::bigint AS retried,
            sum(cancelled)::bigint AS cancelled
        FROM (
            SELECT queue, completed, dead, retried, cancelled FROM {totals} WHERE namespace = p_namespace
            UNION ALL
            SELECT queue, completed, dead, retried, cancelled FROM {journal} WHERE namespace = p_namespace
        ) AS noted
        WHERE p_queues IS NULL OR queue = ANY (p_queues)
        GROUP BY queue
    ), paused AS (
        SELECT queue FROM {paused} WHERE namespace = p_namespace AND (p_queues IS NULL OR queue = ANY (p_queues))
    )
    SELECT
        queue, coalesce(l.ready, 0), coalesce(l.scheduled, 0), coalesce(l.leased, 0),
        coalesce(d.dead, 0) + coalesce(l.dead, 0), l.age,
        coalesce(e.completed, 0), coalesce(e.dead, 0) + coalesce(l.dead, 0), coalesce(e.retried, 0),
        coalesce(e.cancelled, 0) + coalesce(l.cancelled, 0)
    FROM live AS l
    FULL JOIN dead AS d USING (queue)
    FULL JOIN ended AS e USING (queue)
    FULL JOIN paused AS p USING (queue);
END
$$;
