-- Clears what time has ended of the first p_limit tasks of these queues, so that a queue whose first 200,000 tasks have
-- expired is soon in order again, however few a claim asks for. Waits for nobody.
CREATE FUNCTION {clear_heads}(
    p_namespace bigint,
    p_queues text[],
    p_lines bigint[],
    p_paused text[],
    p_floors timestamptz[],
    p_now timestamptz,
    p_limit integer
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
                LIMIT p_limit
            ) AS due
            LIMIT p_limit
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
-- The tasks come in any order. The row without a seq has, as JSON in `payload`, what the driver needs beside them (`Head`
-- in floors.py). What time has ended of the tasks found is stored as such. Where that is all, and fewer than p_cleared, as
-- many more of the heads are looked through, and the driver calls again.
CREATE FUNCTION {reserve}(
    p_namespace bigint,
    p_queues text[],
    p_lines bigint[],
    p_limit integer,
    p_lease double precision,
    p_worker text,
    p_nonce bigint,
    p_floors timestamptz[],
    p_cleared integer
) RETURNS TABLE (
    seq bigint, id text, queue text, name text, payload bytea, correlation_id text, priority smallint, attempt integer,
    enqueued_at double precision
)
LANGUAGE plpgsql {steady_plans} SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
    t timestamptz := clock_timestamp();
    lease_end timestamptz;
    claimed tid[];
    in_order bigint[];
    number_found integer;
    number_ended integer;
    head_place bigint;
    head_ready_at timestamptz;
    paused_queues text[];
BEGIN
    SELECT array_agg(p.queue) INTO paused_queues
    FROM {paused} AS p
    WHERE p.namespace = p_namespace AND p.queue = ANY (p_queues);
    SELECT
        array_agg(heads.tid), array_agg(heads.seq), count(*), count(*) FILTER (WHERE heads.ended), min(heads.place),
        min(heads.ready_at)
    INTO claimed, in_order, number_found, number_ended, head_place, head_ready_at
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
                live.seq,
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
    IF number_ended > 0 THEN
        PERFORM {store_ended}(
            p_namespace,
            ARRAY(
                SELECT live.seq FROM {task} AS live
                WHERE live.ctid = ANY (claimed) AND (live.cancel_requested IS NOT NULL OR live.expires_at <= t)
            ),
            t,
            false
        );
        IF number_ended = number_found AND number_found < p_cleared THEN
            PERFORM {clear_heads}(
                p_namespace, p_queues, p_lines, paused_queues, p_floors, t, p_cleared - number_found
            );
        END IF;
    END IF;
    payload := convert_to(
        json_build_object(
            'line', head_place, 'ready_at', head_ready_at, 'found', number_found, 'ended', number_ended, 'clock', t,
            'paused', coalesce(paused_queues, '{}'), 'order', coalesce(in_order, '{}')
        )::text,
        'UTF8'
    );
    RETURN NEXT;
    IF number_ended < number_found THEN
        t := clock_timestamp();
        lease_end := t + {span}(p_lease);
        RETURN QUERY
        UPDATE {task} AS live
        SET ready_at = lease_end, receipt = p_nonce, attempt = live.attempt + 1, worker = p_worker,
            started_at = t
        -- What has just been stored as ended is not there any more. A join with the places would cost a copy of each row
        -- for the case that it has changed, and a look at the table's size.
        WHERE live.ctid = ANY (claimed)
        RETURNING
            live.seq, live.id, live.queue, live.name, live.payload, live.correlation_id, live.priority, live.attempt,
            date_part('epoch', live.enqueued_at); -- exact to the microsecond until 2106, and cheaper to read
    END IF;
END
$$;
