INSERT INTO ns_waiting (queue, rank, at, seq, attempt, special)
SELECT t.queue, t.rank, t.at, t.seq, 0, e.seq IS NOT NULL
FROM ns_task t LEFT JOIN ns_extra e ON e.seq = t.seq
WHERE t.seq >= ?1
