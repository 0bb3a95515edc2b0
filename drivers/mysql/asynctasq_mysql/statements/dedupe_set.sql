INSERT INTO {dedupe} (namespace, slot, pk) VALUES :rows ON DUPLICATE KEY UPDATE pk = VALUES(pk)
