-- Whether a queue of ?1 that is not paused has a task that is due at ?2.
SELECT EXISTS (
  SELECT 1
  FROM json_each(?1) q
  CROSS JOIN json_each('[0,1,2,3,4,5,6,7,8,9]') r
  CROSS JOIN ns_waiting w ON w.queue = q.value AND w.rank = r.value AND w.at <= ?2
  WHERE q.value NOT IN (SELECT queue FROM ns_paused)
)
