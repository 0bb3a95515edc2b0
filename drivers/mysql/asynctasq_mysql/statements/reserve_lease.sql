UPDATE {task} FORCE INDEX (PRIMARY)
SET receipt = :token, attempt = attempt + 1, at_us = :until, worker = :worker, started_us = :now
WHERE pk IN :pks;
COMMIT
