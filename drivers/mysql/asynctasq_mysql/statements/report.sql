INSERT INTO {report} (namespace, worker, reported_us, until_us, data)
VALUES (:namespace, :worker, {now}, {now} + :ttl, :data)
ON DUPLICATE KEY UPDATE reported_us = VALUES(reported_us), until_us = VALUES(until_us), data = VALUES(data)
