SELECT json_group_array(seq) FROM (
  SELECT seq FROM ns_ended WHERE queue = ?1 AND state = ?2 AND seq <= ?3 LIMIT ?4
)
