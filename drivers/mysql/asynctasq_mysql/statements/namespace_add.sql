INSERT IGNORE INTO {namespace} (name) VALUES (:name)
