UPDATE ns_meta SET next_lapse = ?1
