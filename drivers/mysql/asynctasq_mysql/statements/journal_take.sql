SELECT pk, queue, completed, dead, retried, cancelled, pks, ids FROM {journal} FORCE INDEX (PRIMARY)
WHERE pk IN :pks AND namespace = :namespace FOR UPDATE SKIP LOCKED
