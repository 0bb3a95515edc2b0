SELECT number FROM {namespace} WHERE name = :name
