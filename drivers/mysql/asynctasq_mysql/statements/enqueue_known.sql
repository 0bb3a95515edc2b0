-- The keys of a simple insert's rows are consecutive.
INSERT INTO {known} (namespace, id, pk) VALUES :rows
