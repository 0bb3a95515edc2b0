-- Every row is there, and locked: an insertion of many rows is the fastest way to give each its own values.
INSERT INTO {task} (pk, payload, state, attempt, finished_us, reason, failures, result)
VALUES :rows
ON DUPLICATE KEY UPDATE state = VALUES(state), attempt = VALUES(attempt), finished_us = VALUES(finished_us),
  reason = VALUES(reason), failures = COALESCE(VALUES(failures), failures), result = VALUES(result), receipt = 0,
  special = 1
