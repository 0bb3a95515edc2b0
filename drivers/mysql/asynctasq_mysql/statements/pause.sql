INSERT IGNORE INTO {paused} (namespace, queue) VALUES :rows
