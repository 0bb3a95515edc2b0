-- Per queue: live leases; of those that have ended, what their tasks are: ready (and since when), cancelled, dead.
SELECT
  queue,
  sum(until > ?1),
  sum(until <= ?1 AND NOT cancelled AND NOT expired),
  min(CASE WHEN until <= ?1 AND NOT cancelled AND NOT expired THEN until END),
  sum(until <= ?1 AND cancelled),
  sum(until <= ?1 AND expired AND NOT cancelled)
FROM (
  SELECT
    l.queue, l.until, ifnull(e.cancel_requested, 0) AS cancelled,
    ifnull(t.enqueued_at + e.expires_after <= ?1, 0) AS expired
  FROM ns_leased l CROSS JOIN ns_task t ON t.seq = l.seq LEFT JOIN ns_extra e ON e.seq = l.seq
)
GROUP BY queue
