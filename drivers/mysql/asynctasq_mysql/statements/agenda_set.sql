INSERT INTO {agenda} (namespace, pk, kind, at_us) VALUES :rows
ON DUPLICATE KEY UPDATE kind = VALUES(kind), at_us = VALUES(at_us)
