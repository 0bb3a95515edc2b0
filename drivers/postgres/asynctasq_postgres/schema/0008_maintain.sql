-- Stores what time ended and forgets what is due, about p_limit of each, and waits for nobody. Dead letters go when
-- they are older than p_dead_retention (NULL: never).
CREATE FUNCTION {maintain}(
    p_namespace bigint, p_limit integer, p_dead_retention double precision, OUT removed integer, OUT more boolean
)
LANGUAGE plpgsql {steady_plans} AS $$
#variable_conflict use_column
DECLARE
    t timestamptz := clock_timestamp();
    ended integer;
    forgotten integer;
    remembered integer;
    due_notes tid[];
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
    ), gone AS (
        DELETE FROM {finished} AS record
        USING due
        WHERE record.namespace = p_namespace AND record.seq = due.seq
    ), unknown AS (
        DELETE FROM {known} AS k
        USING due
        WHERE k.namespace = p_namespace AND k.id = due.id AND k.seq = due.seq
    )
    SELECT count(*) INTO forgotten FROM due;
    SELECT array_agg(tid) INTO due_notes
    FROM (
        SELECT tid, sum(size) OVER (ROWS UNBOUNDED PRECEDING) - size AS before
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
    ), unknown AS (
        DELETE FROM {known} AS k
        USING (SELECT unnest(ids) AS id, unnest(seqs) AS seq FROM gone) AS u
        WHERE k.namespace = p_namespace AND k.id = u.id AND k.seq = u.seq
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
    SELECT coalesce(sum(cardinality(seqs)), 0) INTO remembered FROM gone;
    DELETE FROM {reports} WHERE namespace = p_namespace AND gone_at <= t;
    removed := ended + forgotten + remembered;
    more := ended >= p_limit OR forgotten >= p_limit OR coalesce(cardinality(due_notes), 0) >= p_limit OR remembered >= p_limit;
END
$$;
