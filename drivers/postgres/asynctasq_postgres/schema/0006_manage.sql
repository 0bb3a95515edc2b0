-- The seqs of known ids, in order. Here and below p_ids has no id twice: the driver sees to that.
CREATE FUNCTION {seqs_of}(p_namespace bigint, p_ids text[]) RETURNS bigint[]
LANGUAGE plpgsql STABLE {steady_plans} AS $$
BEGIN
    RETURN ARRAY(
        SELECT known.seq
        FROM unnest(p_ids) AS u (id),
            LATERAL (SELECT k.seq FROM {known} AS k WHERE k.namespace = p_namespace AND k.id = u.id OFFSET 0) AS known
        ORDER BY known.seq
    );
END
$$;

-- Where known ids are: in the live table, with a record of their end, or remembered only.
CREATE FUNCTION {whereabouts}(p_namespace bigint, p_ids text[])
RETURNS TABLE (id text, seq bigint, is_live boolean, state text, queue text, dedupe_key text)
LANGUAGE plpgsql STABLE {steady_plans} AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT u.id, k.seq, live.found IS NOT NULL, ended.state, ended.queue, ended.dedupe_key
    FROM unnest(p_ids) AS u (id)
    CROSS JOIN LATERAL (
        SELECT n.seq FROM {known} AS n WHERE n.namespace = p_namespace AND n.id = u.id OFFSET 0
    ) AS k
    LEFT JOIN LATERAL (
        SELECT true AS found FROM {task} AS t WHERE t.namespace = p_namespace AND t.seq = k.seq OFFSET 0
    ) AS live ON true
    LEFT JOIN LATERAL (
        SELECT f.state, f.queue, f.dedupe_key
        FROM {finished} AS f
        WHERE f.namespace = p_namespace AND f.seq = k.seq
        OFFSET 0
    ) AS ended ON true;
END
$$;

-- Locks tasks wherever they are, live or with the record of their end, in the order that lock_tasks() keeps to: one by
-- one, since settling moves a task from here to there while this waits for its lock, replaying moves it back, and to come
-- back for it later would be out of order. Then nobody moves it any more.
CREATE FUNCTION {lock_wherever}(p_namespace bigint, p_seqs bigint[]) RETURNS void
LANGUAGE plpgsql {steady_plans} AS $$
DECLARE
    wanted bigint;
BEGIN
    FOR wanted IN SELECT DISTINCT u.seq FROM unnest(p_seqs) AS u (seq) ORDER BY u.seq LOOP
        LOOP
            PERFORM FROM {task} AS live WHERE live.namespace = p_namespace AND live.seq = wanted FOR UPDATE;
            EXIT WHEN FOUND;
            PERFORM FROM {finished} AS record WHERE record.namespace = p_namespace AND record.seq = wanted FOR UPDATE;
            EXIT WHEN FOUND;
            -- Moved there and back meanwhile? One look at both tables at once tells that from one remembered only.
            EXIT WHEN NOT EXISTS (SELECT FROM {task} AS live WHERE live.namespace = p_namespace AND live.seq = wanted)
                AND NOT EXISTS (
                    SELECT FROM {finished} AS record WHERE record.namespace = p_namespace AND record.seq = wanted
                );
        END LOOP;
    END LOOP;
END
$$;

-- Waiting tasks end, of leased ones it is requested. One row per known id: cancelled, requested or too_late.
CREATE FUNCTION {cancel}(p_namespace bigint, p_ids text[]) RETURNS TABLE (id text, outcome text)
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    seqs bigint[] := {seqs_of}(p_namespace, p_ids);
BEGIN
    PERFORM {lock_wherever}(p_namespace, seqs);
    PERFORM {store_ended}(p_namespace, seqs, clock_timestamp(), true);
    UPDATE {task} AS live
    SET cancel_requested = true
    FROM unnest(seqs) AS u (seq), LATERAL (
            SELECT k.ctid AS tid FROM {task} AS k WHERE k.namespace = p_namespace AND k.seq = u.seq OFFSET 0
        ) AS spot
    WHERE live.ctid = spot.tid AND live.cancel_requested IS NULL;
    RETURN QUERY
    SELECT
        known.id,
        CASE WHEN known.is_live THEN 'requested' WHEN known.state = 'cancelled' THEN 'cancelled' ELSE 'too_late' END
    FROM {whereabouts}(p_namespace, p_ids) AS known
    -- What was forgotten while this waited, and enqueued again under its id, is another task.
    WHERE (known.seq IN (SELECT unnest(seqs))) IS TRUE;
END
$$;

-- Dead letters become ready again. One row per id that has a record: replayed, not_dead, or duplicate with the holder.
CREATE FUNCTION {replay}(p_namespace bigint, p_ids text[]) RETURNS TABLE (id text, outcome text, holder text)
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    t timestamptz;
    seqs bigint[] := {seqs_of}(p_namespace, p_ids);
    dead bigint[];
    queues text[];
    keys text[];
    replayed bigint[] := ARRAY[]::bigint[];
BEGIN
    PERFORM {lock_wherever}(p_namespace, seqs);
    PERFORM {store_ended}(p_namespace, seqs, clock_timestamp(), false);
    SELECT array_agg(record.seq), array_agg(record.queue), array_agg(record.dedupe_key)
    INTO dead, queues, keys
    FROM unnest(seqs) AS u (seq),
        LATERAL (
            SELECT f.seq, f.queue, f.dedupe_key, f.state
            FROM {finished} AS f
            WHERE f.namespace = p_namespace AND f.seq = u.seq
            OFFSET 0
        ) AS record
    WHERE record.state = 'dead';
    IF dead IS NOT NULL THEN
        PERFORM {free_keys}(p_namespace, queues, keys);
        t := clock_timestamp();
        WITH back AS (
            INSERT INTO {task} (
                namespace, seq, line, ready_at, enqueued_at, started_at, remember_for, keep_for, priority, queue, id,
                name, payload, correlation_id, dedupe_key, worker, failures
            )
            SELECT
                p_namespace, ended.seq, ended.line, t, ended.enqueued_at, ended.started_at, ended.remember_for,
                ended.keep_for, ended.priority, ended.queue, ended.id,
                ended.name, ended.payload, ended.correlation_id, ended.dedupe_key, ended.worker, ended.failures
            FROM unnest(p_ids) WITH ORDINALITY AS wanted (id, place),
                LATERAL (
                    SELECT k.seq FROM {known} AS k WHERE k.namespace = p_namespace AND k.id = wanted.id OFFSET 0
                ) AS known,
                LATERAL (
                    SELECT f.* FROM {finished} AS f WHERE f.namespace = p_namespace AND f.seq = known.seq OFFSET 0
                ) AS ended
            WHERE (ended.seq IN (SELECT unnest(dead))) IS TRUE
            ORDER BY ended.queue, ended.dedupe_key, wanted.place -- the order in which enqueue() takes dedupe keys
            ON CONFLICT (namespace, queue, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
            RETURNING seq
        )
        SELECT coalesce(array_agg(seq), replayed) INTO replayed FROM back;
        PERFORM {drop_records}(p_namespace, replayed);
    END IF;
    RETURN QUERY
    SELECT
        known.id,
        CASE
            WHEN known.seq IN (SELECT unnest(replayed)) THEN 'replayed'
            WHEN known.state = 'dead' THEN 'duplicate'
            ELSE 'not_dead'
        END,
        other.id
    FROM {whereabouts}(p_namespace, p_ids) AS known
    LEFT JOIN LATERAL (
        SELECT k.id
        FROM {task} AS k
        WHERE known.state = 'dead' AND k.namespace = p_namespace AND k.queue = known.queue
            AND k.dedupe_key = known.dedupe_key AND k.dedupe_key IS NOT NULL
        OFFSET 0
    ) AS other ON true
    WHERE (known.is_live OR known.state IS NOT NULL)
        AND (known.seq IN (SELECT unnest(seqs))) IS TRUE; -- as in cancel()
END
$$;

-- Deletes records, but no leased ones, and forgets their ids. Returns the ids that are gone.
CREATE FUNCTION {remove}(p_namespace bigint, p_ids text[]) RETURNS text[]
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    t timestamptz;
    seqs bigint[] := {seqs_of}(p_namespace, p_ids);
    gone_ids text[];
    gone_seqs bigint[];
BEGIN
    PERFORM {lock_wherever}(p_namespace, seqs);
    t := clock_timestamp();
    PERFORM {store_ended}(p_namespace, seqs, t, false);
    WITH waiting AS (
        DELETE FROM {task} AS live
        USING unnest(seqs) AS u (seq), LATERAL (
                SELECT k.ctid AS tid FROM {task} AS k WHERE k.namespace = p_namespace AND k.seq = u.seq OFFSET 0
            ) AS spot
        WHERE live.ctid = spot.tid AND (live.receipt IS NULL OR live.ready_at <= t)
        RETURNING live.id, live.seq
    ), ended AS (
        DELETE FROM {finished} AS record
        USING unnest(seqs) AS u (seq), LATERAL (
                SELECT k.ctid AS tid FROM {finished} AS k WHERE k.namespace = p_namespace AND k.seq = u.seq OFFSET 0
            ) AS spot
        WHERE record.ctid = spot.tid
        RETURNING record.id, record.seq
    )
    SELECT array_agg(id), array_agg(seq) INTO gone_ids, gone_seqs
    FROM (SELECT * FROM waiting UNION ALL SELECT * FROM ended) AS gone;
    PERFORM {forget}(p_namespace, gone_ids, gone_seqs);
    RETURN gone_ids;
END
$$;

-- One slice of a purge: looks at no more than p_scan rows of each table, from p_after (exclusive) on. Returns the seq
-- to go on from, NULL at the end. What time had ended counts in the totals before it goes.
CREATE FUNCTION {purge}(p_namespace bigint, p_queues text[], p_states text[], p_after bigint, p_scan integer)
RETURNS bigint
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    t timestamptz;
    seqs bigint[];
    until bigint;
    gone_ids text[];
    gone_seqs bigint[];
BEGIN
    -- Both tables in one look, so that what moves from one to the other meanwhile is in it.
    WITH live AS MATERIALIZED (
        SELECT seq, queue FROM {task} WHERE namespace = p_namespace AND seq > p_after ORDER BY seq LIMIT p_scan
    ), ended AS MATERIALIZED (
        SELECT seq, queue, state FROM {finished}
        WHERE namespace = p_namespace AND seq > p_after
        ORDER BY seq
        LIMIT p_scan
    ), bounds AS (
        SELECT max(seq) AS last FROM live HAVING count(*) = p_scan
        UNION ALL
        SELECT max(seq) FROM ended HAVING count(*) = p_scan
    ), wanted AS (
        SELECT seq FROM live WHERE queue = ANY (p_queues)
        UNION ALL
        SELECT seq FROM ended WHERE queue = ANY (p_queues) AND (p_states IS NULL OR state = ANY (p_states))
    ), slice AS (
        SELECT min(last) AS last FROM bounds
    )
    SELECT slice.last, array_agg(wanted.seq) FILTER (WHERE slice.last IS NULL OR wanted.seq <= slice.last)
    INTO until, seqs
    FROM slice LEFT JOIN wanted ON true
    GROUP BY slice.last;
    PERFORM {lock_wherever}(p_namespace, seqs);
    t := clock_timestamp();
    WITH live_gone AS (
        DELETE FROM {task} AS live
        USING unnest(seqs) AS u (seq), LATERAL (
                SELECT k.ctid AS tid FROM {task} AS k WHERE k.namespace = p_namespace AND k.seq = u.seq OFFSET 0
            ) AS spot
        WHERE live.ctid = spot.tid
            AND (
                p_states IS NULL
                OR {live_state}(live.receipt, live.ready_at, live.cancel_requested, live.expires_at, t) = ANY (p_states)
            )
        RETURNING
            live.seq, live.id, live.queue,
            {live_state}(live.receipt, live.ready_at, live.cancel_requested, live.expires_at, t) AS state
    ), ended_gone AS (
        DELETE FROM {finished} AS record
        USING unnest(seqs) AS u (seq), LATERAL (
                SELECT k.ctid AS tid FROM {finished} AS k WHERE k.namespace = p_namespace AND k.seq = u.seq OFFSET 0
            ) AS spot
        WHERE record.ctid = spot.tid AND (p_states IS NULL OR record.state = ANY (p_states))
        RETURNING record.seq, record.id
    ), noted AS (
        INSERT INTO {journal} (namespace, forget_at, queue, dead, cancelled)
        SELECT
            p_namespace, t, queue, count(*) FILTER (WHERE state = 'dead'), count(*) FILTER (WHERE state = 'cancelled')
        FROM live_gone
        WHERE state IN ('dead', 'cancelled')
        GROUP BY queue
    )
    SELECT array_agg(id), array_agg(seq) INTO gone_ids, gone_seqs
    FROM (SELECT seq, id FROM live_gone UNION ALL SELECT seq, id FROM ended_gone) AS gone;
    PERFORM {forget}(p_namespace, gone_ids, gone_seqs);
    RETURN until;
END
$$;
