-- The locking read shows the latest rows at REPEATABLE READ, too.
SELECT d.slot, d.pk, (SELECT t.id FROM {task} t WHERE t.pk = d.pk)
FROM {dedupe} d FORCE INDEX (PRIMARY)
WHERE d.namespace = :namespace AND d.slot IN :slots LOCK IN SHARE MODE
