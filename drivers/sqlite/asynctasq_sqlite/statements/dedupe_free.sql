-- Tasks that end hold their keys no longer.
DELETE FROM ns_dedupe WHERE (queue, dedupe_key, seq) IN (
  SELECT t.queue, e.dedupe_key, t.seq
  FROM json_each(?1) j
  CROSS JOIN ns_extra e ON e.seq = j.value AND e.dedupe_key IS NOT NULL
  CROSS JOIN ns_task t ON t.seq = e.seq
)
