INSERT INTO {journal} (namespace, queue, forget_us, completed, dead, retried, cancelled, remembered, pks, ids) VALUES :rows
