-- The live leases of ?1: {seq: token}.
SELECT json_group_array(json_array(
  l.seq, l.until, CASE WHEN l.special THEN (SELECT e.cancel_requested FROM ns_extra e WHERE e.seq = l.seq) ELSE 0 END
))
FROM json_each(?1) j
CROSS JOIN ns_leased l ON l.seq = CAST(j.key AS INTEGER) AND l.token = j.value
WHERE l.until > ?2
