SELECT pk, queue, completed, dead, retried, cancelled, pks, ids FROM {journal} FORCE INDEX (due)
WHERE namespace = :namespace AND forget_us <= {now} ORDER BY forget_us, pk LIMIT :limit FOR UPDATE SKIP LOCKED
