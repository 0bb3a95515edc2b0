-- Clears a bounded slice of what time has ended from the heads of these queues, so that a queue whose first 200,000
-- tasks have expired is soon in order again. Waits for nobody.
CREATE FUNCTION {clear_heads}(
    p_namespace bigint, p_queues text[], p_lines bigint[], p_paused text[], p_floors timestamptz[], p_now timestamptz
) RETURNS void
LANGUAGE plpgsql {steady_plans} SET enable_sort = off AS $$
DECLARE
    ended bigint[];
BEGIN
    SELECT array_agg(locked.seq) INTO ended
    FROM (
        SELECT heads.seq
        FROM (
            SELECT due.seq, due.ended
            FROM (
                SELECT q.queue, q.line + p.number - 1 AS line, (q.place - 1) * 10 + p.number AS place
                FROM unnest(p_queues, p_lines) WITH ORDINALITY AS q (queue, line, place),
                    generate_series(1, 10) AS p (number)
                WHERE p_paused IS NULL OR q.queue <> ALL (p_paused)
                ORDER BY place
            ) AS lines,
            LATERAL (
                SELECT
                    live.seq,
                    live.cancel_requested IS NOT NULL OR coalesce(live.expires_at <= p_now, false) AS ended
                FROM {task} AS live
                WHERE live.line = lines.line
                    AND live.namespace = p_namespace
                    AND live.queue = lines.queue
                    AND live.ready_at <= p_now
                    AND live.ready_at >= coalesce(p_floors[lines.place], '-infinity')
                ORDER BY live.ready_at, live.seq + 0
                LIMIT 1000
            ) AS due
            LIMIT 1000
        ) AS heads
        WHERE heads.ended
    ) AS wanted,
    LATERAL (
        SELECT live.seq FROM {task} AS live
        WHERE live.namespace = p_namespace AND live.seq = wanted.seq
        FOR UPDATE SKIP LOCKED
    ) AS locked;
    IF ended IS NOT NULL THEN
        PERFORM {store_ended}(p_namespace, ended, p_now, false);
    END IF;
END
$$;

-- Claims due tasks. p_lines has the number of each queue's first line, that of priority 9; the next nine follow it.
-- p_floors has ten entries per queue: nothing due before it needs to be looked for (NULL: everything), which spares the
-- walk over dead index entries.
-- The row with place 0 tells the driver how to raise its floors: the first line that had a task and the earliest due
-- time found, how many were found (NULL: none), the clock, and which of the queues are paused.
CREATE FUNCTION {reserve}(
    p_namespace bigint,
    p_queues text[],
    p_lines bigint[],
    p_limit integer,
    p_lease double precision,
    p_worker text,
    p_nonce bigint,
    p_floors timestamptz[]
) RETURNS TABLE (
    place bigint, seq bigint, id text, queue text, name text, payload bytea, correlation_id text, priority smallint,
    attempt integer, enqueued_at timestamptz, clock timestamptz, paused text[]
)
LANGUAGE plpgsql {steady_plans} SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
    t timestamptz;
    claimed tid[];
    has_ended boolean;
    head_place bigint;
    head_ready_at timestamptz;
    paused_queues text[];
BEGIN
    SELECT array_agg(p.queue) INTO paused_queues
    FROM {paused} AS p
    WHERE p.namespace = p_namespace AND p.queue = ANY (p_queues);
    FOR attempt_left IN REVERSE 2..0 LOOP
        t := clock_timestamp();
        SELECT array_agg(heads.tid), bool_or(heads.ended), min(heads.place), min(heads.ready_at)
        INTO claimed, has_ended, head_place, head_ready_at
        FROM (
            SELECT lines.place, due.*
            FROM (
                SELECT q.queue, q.line + p.number - 1 AS line, (q.place - 1) * 10 + p.number AS place
                FROM unnest(p_queues, p_lines) WITH ORDINALITY AS q (queue, line, place),
                    generate_series(1, 10) AS p (number)
                WHERE paused_queues IS NULL OR q.queue <> ALL (paused_queues)
                ORDER BY place
            ) AS lines,
            LATERAL (
                SELECT
                    live.ctid AS tid,
                    live.ready_at,
                    live.cancel_requested IS NOT NULL OR coalesce(live.expires_at <= t, false) AS ended
                FROM {task} AS live
                WHERE live.line = lines.line
                    AND live.namespace = p_namespace
                    AND live.queue = lines.queue
                    AND live.ready_at <= t
                    AND live.ready_at >= coalesce(p_floors[lines.place], '-infinity')
                ORDER BY live.ready_at, live.seq + 0
                LIMIT p_limit
                FOR UPDATE SKIP LOCKED
            ) AS due
            LIMIT p_limit
        ) AS heads;
        EXIT WHEN has_ended IS NOT TRUE;
        PERFORM {store_ended}(
            p_namespace,
            ARRAY(
                SELECT live.seq FROM {task} AS live
                WHERE live.ctid = ANY (claimed) AND (live.cancel_requested IS NOT NULL OR live.expires_at <= t)
            ),
            t,
            false
        );
        EXIT WHEN attempt_left = 0;
        PERFORM {clear_heads}(p_namespace, p_queues, p_lines, paused_queues, p_floors, t);
    END LOOP;
    RETURN QUERY SELECT
        0::bigint, head_place, NULL::text, NULL::text, NULL::text, NULL::bytea, NULL::text, NULL::smallint,
        cardinality(claimed), head_ready_at, t, paused_queues;
    IF claimed IS NULL THEN
        RETURN;
    END IF;
    t := clock_timestamp();
    RETURN QUERY
    UPDATE {task} AS live
    SET ready_at = t + {span}(p_lease), receipt = p_nonce, attempt = live.attempt + 1, worker = p_worker,
        started_at = t
    FROM unnest(claimed) WITH ORDINALITY AS c (tid, place)
    WHERE live.ctid = c.tid
    RETURNING
        c.place, live.seq, live.id, live.queue, live.name, live.payload, live.correlation_id, live.priority,
        live.attempt, live.enqueued_at, NULL::timestamptz, NULL::text[];
END
$$;
