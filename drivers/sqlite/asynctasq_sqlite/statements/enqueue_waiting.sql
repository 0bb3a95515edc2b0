INSERT INTO ns_waiting (queue, rank, at, seq, attempt, special)
SELECT queue, rank, at, seq, 0, 0 FROM ns_task WHERE seq >= ?1
