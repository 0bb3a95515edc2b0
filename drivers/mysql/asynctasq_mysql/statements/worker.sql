SELECT number FROM {worker} WHERE namespace = :namespace AND name = :name
