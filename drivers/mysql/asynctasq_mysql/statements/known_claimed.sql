SELECT id FROM {known} WHERE namespace = :namespace AND id IN :ids AND pk = 0 LOCK IN SHARE MODE
