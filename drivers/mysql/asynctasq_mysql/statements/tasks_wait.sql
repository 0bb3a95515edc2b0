-- As tasks_end.
INSERT INTO {task} (pk, payload, at_us, attempt, failures)
VALUES :rows
ON DUPLICATE KEY UPDATE at_us = VALUES(at_us), attempt = VALUES(attempt),
  failures = COALESCE(VALUES(failures), failures), receipt = 0
