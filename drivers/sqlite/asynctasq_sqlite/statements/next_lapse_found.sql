UPDATE ns_meta SET next_lapse = ifnull((SELECT min(until) FROM ns_leased), 9223372036854775807)
