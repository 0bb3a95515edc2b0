DELETE FROM {paused} WHERE namespace = $1 AND queue = ANY ($2::text[])
