-- The first statement of every transaction: the one clock, and what every call may need.
SELECT
  CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER),
  version,
  next_lapse,
  (SELECT json_group_array(queue) FROM ns_paused)
FROM ns_meta
