-- Waiting tasks of queue ?1, due by ?2 (?3 = 1) or later (?3 = 0), as far as they were there when the purge began.
SELECT json_group_array(seq) FROM (
  SELECT seq FROM ns_waiting WHERE queue = ?1 AND (at <= ?2) = ?3 AND seq <= ?4 LIMIT ?5
)
