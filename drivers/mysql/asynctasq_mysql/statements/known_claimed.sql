SELECT id FROM {known} FORCE INDEX (PRIMARY)
WHERE namespace = :namespace AND id IN :ids AND pk = 0 LOCK IN SHARE MODE
