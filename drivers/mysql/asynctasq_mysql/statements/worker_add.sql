INSERT IGNORE INTO {worker} (namespace, name) VALUES (:namespace, :name)
