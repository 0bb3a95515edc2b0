-- Completions of plain tasks. ?1: {seq: token}. What comes back is exactly what is live: the leases to delete.
INSERT INTO ns_remembered (forget_at, token, queue, seqs)
SELECT ?2 + l.remember_for, ?3, l.queue, json_group_array(l.seq)
FROM json_each(?1) j
CROSS JOIN ns_leased l ON l.seq = CAST(j.key AS INTEGER) AND l.token = j.value
WHERE l.until > ?2 AND l.special = 0
GROUP BY l.queue, l.remember_for
RETURNING queue, seqs
