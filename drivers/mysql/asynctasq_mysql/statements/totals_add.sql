INSERT INTO {totals} (namespace, queue, completed, dead, retried, cancelled) VALUES :rows
ON DUPLICATE KEY UPDATE completed = completed + VALUES(completed), dead = dead + VALUES(dead),
  retried = retried + VALUES(retried), cancelled = cancelled + VALUES(cancelled)
