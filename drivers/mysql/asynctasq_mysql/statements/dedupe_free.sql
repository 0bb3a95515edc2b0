DELETE FROM {dedupe} WHERE namespace = :namespace AND slot IN :slots AND pk IN :pks
