DELETE FROM ns_waiting WHERE (queue, rank, at, seq) IN (
  SELECT t.queue, t.rank, coalesce(e.at, t.at), t.seq
  FROM json_each(?1) j
  CROSS JOIN ns_task t ON t.seq = j.value
  LEFT JOIN ns_extra e ON e.seq = t.seq
)
