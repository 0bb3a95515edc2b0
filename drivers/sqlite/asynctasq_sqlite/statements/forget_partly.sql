UPDATE ns_remembered SET seqs = ?4 WHERE forget_at = ?1 AND token = ?2 AND queue = ?3
