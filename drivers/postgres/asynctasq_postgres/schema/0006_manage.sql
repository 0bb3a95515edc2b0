-- The seqs of known ids, in order. Here and below p_ids has no id twice: the driver sees to that.
CREATE FUNCTION {seqs_of}(p_namespace bigint, p_ids text[]) RETURNS bigint[]
LANGUAGE plpgsql STABLE {steady_plans} AS $$
BEGIN
    RETURN ARRAY(
        SELECT k.seq
        FROM unnest(p_ids) AS wanted (id)
        JOIN {known} AS k ON k.namespace = p_namespace AND k.id = wanted.id
        ORDER BY k.seq
    );
END
$$;

-- Waiting tasks end, of leased ones it is requested. One row per known id: cancelled, requested or too_late.
CREATE FUNCTION {cancel}(p_namespace bigint, p_ids text[]) RETURNS TABLE (id text, outcome text)
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    t timestamptz;
    seqs bigint[] := {seqs_of}(p_namespace, p_ids);
BEGIN
    PERFORM {lock_tasks}(p_namespace, seqs);
    t := clock_timestamp();
    PERFORM {store_ended}(p_namespace, seqs, t, true);
    UPDATE {task} AS live
    SET cancel_requested = true
    FROM unnest(seqs) AS u (seq)
    WHERE live.namespace = p_namespace AND live.seq = u.seq AND live.cancel_requested IS NULL;
    RETURN QUERY
    SELECT
        wanted.id,
        CASE
            WHEN live.seq IS NOT NULL THEN 'requested'
            WHEN ended.state = 'cancelled' THEN 'cancelled'
            ELSE 'too_late'
        END
    FROM unnest(p_ids) AS wanted (id)
    JOIN {known} AS k ON k.namespace = p_namespace AND k.id = wanted.id
    LEFT JOIN {task} AS live ON live.namespace = p_namespace AND live.seq = k.seq
    LEFT JOIN {finished} AS ended ON ended.namespace = p_namespace AND ended.seq = k.seq;
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
    replayed bigint[];
BEGIN
    PERFORM {lock_tasks}(p_namespace, seqs);
    PERFORM {store_ended}(p_namespace, seqs, clock_timestamp(), false);
    SELECT array_agg(locked.seq), array_agg(locked.queue), array_agg(locked.dedupe_key)
    INTO dead, queues, keys
    FROM unnest(seqs) AS u (seq),
        LATERAL (
            SELECT ended.seq, ended.queue, ended.dedupe_key
            FROM {finished} AS ended
            WHERE ended.namespace = p_namespace AND ended.seq = u.seq AND ended.state = 'dead'
            FOR UPDATE
        ) AS locked;
    IF dead IS NOT NULL THEN
        PERFORM {free_keys}(p_namespace, queues, keys);
        t := clock_timestamp();
        WITH back AS (
            INSERT INTO {task} (
                namespace, seq, line, ready_at, enqueued_at, started_at, remember_for, keep_for, priority, queue, id, name,
                payload, correlation_id, dedupe_key, worker, failures
            )
            SELECT
                p_namespace, ended.seq, ended.line, t, ended.enqueued_at, ended.started_at, ended.remember_for, ended.keep_for,
                ended.priority, ended.queue, ended.id, ended.name,
                ended.payload, ended.correlation_id, ended.dedupe_key, ended.worker, ended.failures
            FROM unnest(p_ids) WITH ORDINALITY AS wanted (id, place)
            JOIN {known} AS k ON k.namespace = p_namespace AND k.id = wanted.id
            JOIN {finished} AS ended ON ended.namespace = p_namespace AND ended.seq = k.seq
            WHERE ended.seq IN (SELECT unnest(dead))
            ORDER BY wanted.place
            ON CONFLICT (namespace, queue, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING
            RETURNING seq
        ), gone AS (
            DELETE FROM {finished} AS ended
            USING back
            WHERE ended.namespace = p_namespace AND ended.seq = back.seq
        )
        SELECT array_agg(seq) INTO replayed FROM back;
    END IF;
    RETURN QUERY
    SELECT
        k.id,
        CASE
            WHEN live.seq IN (SELECT unnest(replayed)) THEN 'replayed'
            WHEN ended.state = 'dead' THEN 'duplicate'
            ELSE 'not_dead'
        END,
        CASE WHEN ended.state = 'dead' THEN (
            SELECT other.id
            FROM {task} AS other
            WHERE other.namespace = p_namespace AND other.queue = ended.queue
                AND other.dedupe_key = ended.dedupe_key AND other.dedupe_key IS NOT NULL
        ) END
    FROM unnest(p_ids) AS wanted (id)
    JOIN {known} AS k ON k.namespace = p_namespace AND k.id = wanted.id
    LEFT JOIN {task} AS live ON live.namespace = p_namespace AND live.seq = k.seq
    LEFT JOIN {finished} AS ended ON ended.namespace = p_namespace AND ended.seq = k.seq
    WHERE live.seq IS NOT NULL OR ended.seq IS NOT NULL;
END
$$;

-- Deletes records, but no leased ones, and forgets their ids. Returns the ids that are gone.
CREATE FUNCTION {remove}(p_namespace bigint, p_ids text[]) RETURNS text[]
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    t timestamptz;
    seqs bigint[] := {seqs_of}(p_namespace, p_ids);
    removed text[];
BEGIN
    PERFORM {lock_tasks}(p_namespace, seqs);
    t := clock_timestamp();
    PERFORM {store_ended}(p_namespace, seqs, t, false);
    WITH waiting AS (
        DELETE FROM {task} AS live
        USING unnest(seqs) AS u (seq)
        WHERE live.namespace = p_namespace AND live.seq = u.seq AND (live.receipt IS NULL OR live.ready_at <= t)
        RETURNING live.id, live.seq
    ), ended AS (
        DELETE FROM {finished} AS record
        USING unnest(seqs) AS u (seq)
        WHERE record.namespace = p_namespace AND record.seq = u.seq
        RETURNING record.id, record.seq
    ), gone AS MATERIALIZED (
        SELECT * FROM waiting UNION ALL SELECT * FROM ended
    ), forgotten AS (
        DELETE FROM {known} AS k
        USING gone
        WHERE k.namespace = p_namespace AND k.id = gone.id AND k.seq = gone.seq
    )
    SELECT array_agg(id) INTO removed FROM gone;
    RETURN removed;
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
    live_seqs bigint[];
    ended_seqs bigint[];
    until bigint;
BEGIN
    live_seqs := ARRAY(
        SELECT seq FROM {task} WHERE namespace = p_namespace AND seq > p_after ORDER BY seq LIMIT p_scan
    );
    ended_seqs := ARRAY(
        SELECT seq FROM {finished} WHERE namespace = p_namespace AND seq > p_after ORDER BY seq LIMIT p_scan
    );
    until := least(
        CASE WHEN cardinality(live_seqs) = p_scan THEN live_seqs[p_scan] END,
        CASE WHEN cardinality(ended_seqs) = p_scan THEN ended_seqs[p_scan] END
    );
    live_seqs := ARRAY(
        SELECT u.seq
        FROM unnest(live_seqs) AS u (seq)
        JOIN {task} AS live ON live.namespace = p_namespace AND live.seq = u.seq
        WHERE (until IS NULL OR u.seq <= until) AND live.queue = ANY (p_queues)
        ORDER BY u.seq
    );
    PERFORM {lock_tasks}(p_namespace, live_seqs);
    t := clock_timestamp();
    WITH live_gone AS (
        DELETE FROM {task} AS live
        USING unnest(live_seqs) AS u (seq)
        WHERE live.namespace = p_namespace AND live.seq = u.seq
            AND (
                p_states IS NULL
                OR {live_state}(live.receipt, live.ready_at, live.cancel_requested, live.expires_at, t) = ANY (p_states)
            )
        RETURNING
            live.seq, live.id, live.queue,
            {live_state}(live.receipt, live.ready_at, live.cancel_requested, live.expires_at, t) AS state
    ), ended_gone AS (
        DELETE FROM {finished} AS record
        USING unnest(ended_seqs) AS u (seq)
        WHERE record.namespace = p_namespace AND record.seq = u.seq AND (until IS NULL OR u.seq <= until)
            AND record.queue = ANY (p_queues) AND (p_states IS NULL OR record.state = ANY (p_states))
        RETURNING record.seq, record.id
    ), forgotten AS (
        DELETE FROM {known} AS k
        USING (SELECT seq, id FROM live_gone UNION ALL SELECT seq, id FROM ended_gone) AS gone
        WHERE k.namespace = p_namespace AND k.id = gone.id AND k.seq = gone.seq
    )
    INSERT INTO {journal} (namespace, forget_at, queue, dead, cancelled)
    SELECT
        p_namespace, t, queue, count(*) FILTER (WHERE state = 'dead'), count(*) FILTER (WHERE state = 'cancelled')
    FROM live_gone
    WHERE state IN ('dead', 'cancelled')
    GROUP BY queue;
    RETURN until;
END
$$;
