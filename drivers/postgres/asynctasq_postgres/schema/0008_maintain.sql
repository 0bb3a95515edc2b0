-- Stores what time ended and forgets what is due, about p_limit of each, and waits for nobody: what others hold is left
-- to them, and is `more` as long as they do, and `held` if nothing else is left. Dead letters go when they are older than
-- p_dead_retention (NULL: never).
CREATE FUNCTION {maintain}(
    p_namespace bigint, p_limit integer, p_dead_retention double precision, OUT removed integer, OUT more boolean,
    OUT held boolean
)
LANGUAGE plpgsql {steady_plans} SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
    t timestamptz := clock_timestamp();
    ended integer;
    forgotten integer;
    remembered integer;
    due_notes tid[];
    noted bigint; -- what due_notes are about: an id, or counts alone
    due_ids text[];
    due_seqs bigint[];
BEGIN
    ended := {store_ended}(
        p_namespace,
        ARRAY(
            SELECT seq FROM (
                SELECT seq FROM {task}
                WHERE namespace = p_namespace AND expires_at <= t AND (receipt IS NULL OR ready_at <= t)
                ORDER BY expires_at
                LIMIT p_limit
                FOR UPDATE SKIP LOCKED
            ) AS expired
            UNION
            SELECT seq FROM (
                SELECT seq FROM {task}
                WHERE namespace = p_namespace AND cancel_requested AND ready_at <= t
                ORDER BY ready_at
                LIMIT p_limit
                FOR UPDATE SKIP LOCKED
            ) AS lapsed
        ),
        t,
        false
    );
    WITH due AS MATERIALIZED (
        SELECT * FROM (
            SELECT seq, id FROM {finished}
            WHERE namespace = p_namespace AND state <> 'dead' AND forget_at <= t
            ORDER BY forget_at
            LIMIT p_limit
            FOR UPDATE SKIP LOCKED
        ) AS outlived
        UNION ALL
        SELECT * FROM (
            SELECT seq, id FROM {finished}
            WHERE namespace = p_namespace AND state = 'dead' AND finished_at <= t - {span}(p_dead_retention)
                AND finished_at <= t - {span}(coalesce(remember_for, 60))
            ORDER BY finished_at
            LIMIT p_limit
            FOR UPDATE SKIP LOCKED
        ) AS long_dead
    )
    SELECT count(*), array_agg(id), array_agg(seq) INTO forgotten, due_ids, due_seqs FROM due;
    PERFORM {drop_records}(p_namespace, due_seqs);
    PERFORM {forget}(p_namespace, due_ids, due_seqs);
    SELECT array_agg(tid), coalesce(sum(size), 0) INTO due_notes, noted
    FROM (
        SELECT tid, size, sum(size) OVER (ROWS UNBOUNDED PRECEDING) - size AS before
        FROM (
            SELECT ctid AS tid, coalesce(cardinality(seqs), 1) AS size
            FROM {journal}
            WHERE namespace = p_namespace AND forget_at <= t
            ORDER BY forget_at
            LIMIT p_limit
            FOR UPDATE SKIP LOCKED
        ) AS oldest
    ) AS counted
    WHERE before < p_limit;
    WITH gone AS (
        DELETE FROM {journal} AS j
        USING unnest(due_notes) AS d (tid)
        WHERE j.ctid = d.tid
        RETURNING j.*
    ), folded AS (
        INSERT INTO {totals} AS sums (namespace, queue, completed, dead, retried, cancelled)
        SELECT p_namespace, queue, sum(completed), sum(dead), sum(retried), sum(cancelled)
        FROM gone
        GROUP BY queue
        ORDER BY queue
        ON CONFLICT (namespace, queue) DO UPDATE SET
            completed = sums.completed + excluded.completed, dead = sums.dead + excluded.dead,
            retried = sums.retried + excluded.retried, cancelled = sums.cancelled + excluded.cancelled
    )
    SELECT array_agg(pairs.id), array_agg(pairs.seq), count(pairs.id) INTO due_ids, due_seqs, remembered
    FROM gone, LATERAL unnest(gone.ids, gone.seqs) AS pairs (id, seq);
    PERFORM {forget}(p_namespace, due_ids, due_seqs);
    DELETE FROM {reports} WHERE namespace = p_namespace AND gone_at <= t;
    removed := ended + forgotten + remembered;
    more := ended >= p_limit OR forgotten >= p_limit OR remembered >= p_limit;
    held := false;
    IF NOT more THEN
        SELECT count(*) > 0 INTO more
        FROM (
            SELECT * FROM (
                SELECT seq FROM {task}
                WHERE namespace = p_namespace AND expires_at <= t AND (receipt IS NULL OR ready_at <= t)
                ORDER BY expires_at
                LIMIT 1
            ) AS expired
            UNION ALL
            SELECT * FROM (
                SELECT seq FROM {task}
                WHERE namespace = p_namespace AND cancel_requested AND ready_at <= t
                ORDER BY ready_at
                LIMIT 1
            ) AS lapsed
            UNION ALL
            SELECT * FROM (
                SELECT seq FROM {finished}
                WHERE namespace = p_namespace AND state <> 'dead' AND forget_at <= t
                ORDER BY forget_at
                LIMIT 1
            ) AS outlived
            UNION ALL
            SELECT * FROM (
                SELECT seq FROM {finished}
                WHERE namespace = p_namespace AND state = 'dead' AND finished_at <= t - {span}(p_dead_retention)
                    AND finished_at <= t - {span}(coalesce(remember_for, 60))
                ORDER BY finished_at
                LIMIT 1
            ) AS long_dead
            UNION ALL
            SELECT * FROM (
                SELECT 0::bigint FROM {journal}
                WHERE namespace = p_namespace AND forget_at <= t
                ORDER BY forget_at
                LIMIT 1
            ) AS notes
        ) AS left_over;
        held := more AND noted < p_limit;
        IF held THEN
            PERFORM pg_sleep(0.02); -- the caller is about to ask again
        END IF;
    END IF;
END
$$;
