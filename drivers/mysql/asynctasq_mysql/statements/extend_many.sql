-- The clock is read behind the locks.
START TRANSACTION;
SELECT MAX(at_us) FROM {task} FORCE INDEX (PRIMARY) WHERE pk IN :pks AND namespace = :namespace FOR UPDATE;
UPDATE {task} FORCE INDEX (PRIMARY) SET at_us = GREATEST(at_us, {now} + :lease)
WHERE pk IN :pks AND (pk, receipt) IN :receipts AND namespace = :namespace AND state <= 1 AND at_us > {now};
SELECT pk, receipt, at_us - {now}, state FROM {task} FORCE INDEX (PRIMARY)
WHERE pk IN :pks AND (pk, receipt) IN :receipts AND namespace = :namespace AND state <= 1 AND at_us > {now};
COMMIT
