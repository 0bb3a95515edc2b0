-- The namespace is a column outside of the key: with none, MariaDB would read the whole index instead of ranges.
DELETE t FROM {journal} AS t FORCE INDEX (PRIMARY) WHERE t.pk IN :pks AND t.namespace = :namespace
