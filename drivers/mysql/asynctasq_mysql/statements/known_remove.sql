-- Both: an id that was forgotten and enqueued again has another pk.
DELETE FROM {known} WHERE namespace = :namespace AND id IN :ids AND pk IN :pks
