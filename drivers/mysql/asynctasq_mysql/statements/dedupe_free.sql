DELETE d FROM {dedupe} AS d FORCE INDEX (PRIMARY)
WHERE d.namespace = :namespace AND d.slot IN :slots AND d.pk IN :pks
