SELECT next_lapse FROM ns_meta
