SELECT pk, remembered FROM {journal} FORCE INDEX (due)
WHERE namespace = :namespace AND forget_us <= {now} ORDER BY forget_us, pk LIMIT :limit
