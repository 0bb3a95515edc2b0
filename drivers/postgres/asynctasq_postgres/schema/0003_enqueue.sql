-- An enqueueing read the clock, and then waited for somebody else's transaction: its tasks count from now on, for they
-- may have been late, or expired, before they were accepted. All rows of the batch have p_then as their time.
CREATE FUNCTION {accept_later}(
    p_namespace bigint, p_ids text[], p_available_ats timestamptz[], p_then timestamptz
) RETURNS void
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    t timestamptz := clock_timestamp();
BEGIN
    UPDATE {task} AS live
    SET enqueued_at = t,
        ready_at = CASE
            WHEN u.available_at IS NULL THEN live.ready_at + (t - p_then)
            ELSE greatest(t, u.available_at)
        END,
        expires_at = live.expires_at + (t - p_then)
    FROM unnest(p_ids, p_available_ats) AS u (id, available_at),
        LATERAL (
            SELECT k.seq FROM {known} AS k WHERE k.namespace = p_namespace AND k.id = u.id OFFSET 0
        ) AS known,
        LATERAL (
            SELECT k.ctid AS tid FROM {task} AS k WHERE k.namespace = p_namespace AND k.seq = known.seq OFFSET 0
        ) AS spot
    WHERE live.ctid = spot.tid AND live.enqueued_at = p_then;
END
$$;

-- A batch of tasks that differ in id, payload and correlation id alone. Raises unique_violation if one is known, and
-- the driver sends the batch to enqueue() instead. Never used inside a caller's own transaction.
CREATE FUNCTION {enqueue_plain}(
    p_namespace bigint,
    p_ids text[],
    p_payloads bytea[],
    p_correlation_ids text[],
    p_queue text,
    p_line bigint,
    p_name text,
    p_priority smallint,
    p_delay double precision,
    p_remember_for double precision
) RETURNS void
LANGUAGE plpgsql {steady_plans} AS $$
DECLARE
    t timestamptz := clock_timestamp();
BEGIN
    WITH given AS MATERIALIZED (
        SELECT nextval('{sequence}') AS seq, id, payload, correlation_id
        FROM unnest(p_ids, p_payloads, p_correlation_ids) AS u (id, payload, correlation_id)
    ), remembered AS (
        INSERT INTO {known} (namespace, seq, id)
        SELECT p_namespace, seq, id FROM given ORDER BY id COLLATE "C" -- as enqueue() does
    )
    INSERT INTO {task} (
        namespace, seq, line, ready_at, enqueued_at, remember_for, priority, queue, id, name, payload, correlation_id
    )
    SELECT
        p_namespace, seq, p_line, t + {span}(p_delay), t, p_remember_for, p_priority, p_queue, id, p_name, payload,
        correlation_id
    FROM given;
    IF clock_timestamp() > t + interval '0.3 seconds' THEN -- as much as the driver's floors allow for
        PERFORM {accept_later}(p_namespace, p_ids, NULL, t);
    END IF;
END
$$;

-- Dedupe keys whose holders time has ended are free: stores those holders as ended.
CREATE FUNCTION {free_keys}(p_namespace bigint, p_queues text[], p_dedupe_keys text[]) RETURNS void
LANGUAGE plpgsql {steady_plans} AS $$
DECLARE
    t timestamptz := clock_timestamp();
    ended bigint[];
BEGIN
    SELECT array_agg(DISTINCT live.seq) INTO ended
    FROM unnest(p_queues, p_dedupe_keys) AS u (queue, dedupe_key),
        LATERAL (
            SELECT k.seq
            FROM {task} AS k
            WHERE k.namespace = p_namespace AND k.queue = u.queue AND k.dedupe_key = u.dedupe_key
                AND k.dedupe_key IS NOT NULL
                AND (k.receipt IS NULL OR k.ready_at <= t)
                AND (k.cancel_requested OR k.expires_at <= t)
            OFFSET 0
        ) AS live;
    IF ended IS NOT NULL THEN
        PERFORM {lock_tasks}(p_namespace, ended);
        PERFORM {store_ended}(p_namespace, ended, clock_timestamp(), false);
    END IF;
END
$$;

-- Any batch; of a repeated id the first task counts. Returns a row per refused task: its place and who holds its id or its
-- dedupe key. Refuses the call by a single row with place 0 when the isolation level is not READ COMMITTED.
-- It raises nothing of its own, so that a duplicate never aborts a caller's transaction.
CREATE FUNCTION {enqueue}(
    p_namespace bigint,
    p_ids text[],
    p_payloads bytea[],
    p_correlation_ids text[],
    p_queues text[],
    p_lines bigint[],
    p_names text[],
    p_priorities smallint[],
    p_delays double precision[],
    p_available_ats timestamptz[],
    p_dedupe_keys text[],
    p_expires_afters double precision[],
    p_keep_fors double precision[],
    p_remember_fors double precision[],
    p_channels text[]
) RETURNS TABLE (place bigint, existing_id text)
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    accepted_at timestamptz;
    refused_places bigint[];
    refused_ids text[];
    beaten_places bigint[];
    beaten_ids text[];
    beaten_seqs bigint[];
    beaten_queues text[];
    beaten_keys text[];
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN QUERY SELECT 0::bigint, current_setting('transaction_isolation');
        RETURN;
    END IF;
    IF p_dedupe_keys IS NOT NULL THEN
        PERFORM {free_keys}(p_namespace, p_queues, p_dedupe_keys);
    END IF;
    WITH given AS MATERIALIZED (
        SELECT nextval('{sequence}') AS seq, u.*
        FROM unnest(
            p_ids, p_payloads, p_correlation_ids, p_queues, p_lines, p_names, p_priorities, p_delays, p_available_ats,
            p_dedupe_keys, p_expires_afters, p_keep_fors, p_remember_fors
        ) WITH ORDINALITY AS u (
            id, payload, correlation_id, queue, line, name, priority, delay, available_at,
            dedupe_key, expires_after, keep_for, remember_for, place
        )
    ), remembered AS (
        INSERT INTO {known} (namespace, seq, id)
        SELECT p_namespace, seq, id FROM given ORDER BY id COLLATE "C", place
        ON CONFLICT DO NOTHING
        RETURNING seq
    ), clock AS MATERIALIZED (
        SELECT clock_timestamp() AS t FROM (SELECT count(*) FROM remembered) AS after_the_locks
    ), stored AS (
        INSERT INTO {task} (
            namespace, seq, line, ready_at, enqueued_at, expires_at, remember_for, keep_for, expires_after, priority,
            queue, id, name, payload, correlation_id, dedupe_key
        )
        SELECT
            p_namespace, seq, line, greatest(t + {span}(delay), available_at), t, t + {span}(expires_after),
            remember_for, keep_for, expires_after, priority, queue, id, name, payload, correlation_id, dedupe_key
        FROM clock, given
        WHERE (seq IN (SELECT seq FROM remembered)) IS TRUE -- a plain IN would become a join, and a quadratic one
        ORDER BY queue, dedupe_key, place
        ON CONFLICT (namespace, queue, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
        RETURNING seq
    )
    SELECT
        (SELECT t FROM clock),
        array_agg(place) FILTER (WHERE NOT new), array_agg(id) FILTER (WHERE NOT new),
        array_agg(place) FILTER (WHERE new), array_agg(id) FILTER (WHERE new), array_agg(seq) FILTER (WHERE new),
        array_agg(queue) FILTER (WHERE new), array_agg(dedupe_key) FILTER (WHERE new)
    INTO accepted_at, refused_places, refused_ids, beaten_places, beaten_ids, beaten_seqs, beaten_queues, beaten_keys
    FROM (
        SELECT place, id, seq, queue, dedupe_key, seq IN (SELECT seq FROM remembered) AS new
        FROM given
        WHERE seq NOT IN (SELECT seq FROM stored)
    ) AS left_out;
    IF clock_timestamp() > accepted_at + interval '0.3 seconds' THEN
        PERFORM {accept_later}(p_namespace, p_ids, p_available_ats, accepted_at);
    END IF;
    PERFORM pg_notify(channel, '') FROM unnest(p_channels) AS c (channel);
    IF refused_places IS NOT NULL THEN
        RETURN QUERY SELECT * FROM unnest(refused_places, refused_ids);
    END IF;
    IF beaten_places IS NOT NULL THEN
        -- Refused by their dedupe key: so their ids are not known after all.
        PERFORM {forget}(p_namespace, beaten_ids, beaten_seqs);
        RETURN QUERY
        SELECT b.place, live.id
        FROM unnest(beaten_places, beaten_queues, beaten_keys) AS b (place, queue, dedupe_key)
        LEFT JOIN LATERAL (
            SELECT k.id
            FROM {task} AS k
            WHERE k.namespace = p_namespace AND k.queue = b.queue AND k.dedupe_key = b.dedupe_key
                AND k.dedupe_key IS NOT NULL
            OFFSET 0
        ) AS live ON true;
    END IF;
END
$$;
