-- Which of the tasks of ?1 have a lease that has ended.
SELECT json_group_array(json_array(
  l.seq, l.token, l.queue, l.attempt, l.until, l.started_at, l.remember_for, l.worker, t.rank, t.enqueued_at, l.special,
  e.at, e.expires_after, ifnull(e.keep_for, 0), ifnull(e.cancel_requested, 0), NULL
))
FROM json_each(?1) j
CROSS JOIN ns_leased l ON l.seq = j.value
CROSS JOIN ns_task t ON t.seq = l.seq
LEFT JOIN ns_extra e ON e.seq = l.seq
WHERE l.until <= ?2
