DELETE FROM {paused} WHERE namespace = :namespace AND queue IN :queues
