-- Both: an id that was forgotten and enqueued again has another pk.
DELETE k FROM {known} AS k FORCE INDEX (PRIMARY)
WHERE k.namespace = :namespace AND k.id IN :ids AND k.pk IN :pks
