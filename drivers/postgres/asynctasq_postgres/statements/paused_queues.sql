SELECT queue FROM {paused} WHERE namespace = $1
