SELECT queue FROM {paused} WHERE namespace = :namespace
