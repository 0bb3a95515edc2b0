SELECT json_group_array(seq) FROM (SELECT seq FROM ns_leased WHERE queue = ?1 AND seq <= ?2 LIMIT ?3)
