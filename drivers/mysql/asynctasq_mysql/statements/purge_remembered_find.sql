SELECT pk FROM {journal} FORCE INDEX (due)
WHERE namespace = :namespace AND forget_us > 0 AND queue IN :queues LIMIT :limit
