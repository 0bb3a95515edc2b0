-- Every queue with tasks, totals or a pause. Waiting ones by skipping from queue to queue.
WITH RECURSIVE waiting (queue) AS (
  SELECT min(queue) FROM ns_waiting
  UNION ALL
  SELECT (SELECT min(w.queue) FROM ns_waiting w WHERE w.queue > waiting.queue) FROM waiting WHERE waiting.queue IS NOT NULL
)
SELECT json_group_array(queue) FROM (
  SELECT queue FROM waiting WHERE queue IS NOT NULL
  UNION SELECT queue FROM ns_leased
  UNION SELECT queue FROM ns_ended
  UNION SELECT queue FROM ns_totals
  UNION SELECT queue FROM ns_paused
)
