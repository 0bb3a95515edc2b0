-- The clock is read behind the locks.
START TRANSACTION;
SELECT COUNT(*) FROM {task} WHERE pk IN :pks FOR UPDATE;
UPDATE {task} SET at_us = GREATEST(at_us, {now} + :lease)
WHERE pk IN :pks AND (pk, receipt) IN :receipts AND namespace = :namespace AND state <= 1 AND at_us > {now};
SELECT pk, receipt, at_us - {now}, state FROM {task}
WHERE pk IN :pks AND (pk, receipt) IN :receipts AND namespace = :namespace AND state <= 1 AND at_us > {now};
COMMIT
