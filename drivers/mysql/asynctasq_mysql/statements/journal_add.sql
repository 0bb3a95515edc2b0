INSERT INTO {journal} (namespace, queue, forget_us, completed, dead, retried, cancelled, pks, ids) VALUES :rows
