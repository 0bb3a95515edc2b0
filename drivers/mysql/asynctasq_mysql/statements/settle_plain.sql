-- Completions of tasks that nobody has to care for any more. If it is not all of them, in one queue and to be forgotten
-- at the same time, then a NULL is refused, and nothing is committed. The clock is read behind the locks.
START TRANSACTION;
SELECT GROUP_CONCAT(id SEPARATOR ' '), MIN(queue), MAX(queue), MIN(remember_us), MAX(remember_us)
INTO @asynctasq_ids, @asynctasq_queue, @asynctasq_other_queue, @asynctasq_remember, @asynctasq_longer
FROM {task} FORCE INDEX (PRIMARY)
WHERE pk IN :pks AND (pk, receipt) IN :receipts AND namespace = :namespace AND state = 0 AND special = 0
FOR UPDATE;
DELETE t FROM {task} AS t FORCE INDEX (PRIMARY)
WHERE t.pk IN :pks AND (t.pk, t.receipt) IN :receipts AND t.namespace = :namespace AND t.state = 0 AND t.special = 0
  AND t.at_us > {now};
INSERT INTO {journal} (namespace, queue, forget_us, completed, dead, retried, cancelled, remembered, pks, ids)
VALUES (:namespace, @asynctasq_queue, {now} + @asynctasq_remember,
  IF(ROW_COUNT() = :count AND @asynctasq_queue = @asynctasq_other_queue AND @asynctasq_remember = @asynctasq_longer,
    :count, NULL),
  0, 0, 0, :count, :pk_list, @asynctasq_ids);
COMMIT
