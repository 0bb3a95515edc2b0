INSERT INTO {known} (namespace, id, pk) VALUES :rows ON DUPLICATE KEY UPDATE pk = VALUES(pk)
