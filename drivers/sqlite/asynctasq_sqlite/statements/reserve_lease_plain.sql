-- First deliveries of plain tasks. ?1: [seq, ...]
INSERT INTO ns_leased (seq, token, until, attempt, special, started_at, remember_for, queue, worker)
SELECT value, ?2, ?3, 1, 0, ?4, ?5, ?6, ?7 FROM json_each(?1)
