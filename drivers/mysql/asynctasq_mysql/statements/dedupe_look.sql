SELECT d.slot, d.pk, t.id, t.state, t.at_us, t.receipt, t.expires_us, {now}
FROM {dedupe} d FORCE INDEX (PRIMARY) LEFT JOIN {task} t ON t.pk = d.pk
WHERE d.namespace = :namespace AND d.slot IN :slots
