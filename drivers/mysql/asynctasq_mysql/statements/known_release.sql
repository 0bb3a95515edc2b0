DELETE k FROM {known} AS k FORCE INDEX (PRIMARY)
WHERE k.namespace = :namespace AND k.id IN :ids AND k.pk = 0
