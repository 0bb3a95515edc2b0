-- Behind the last numbered file of an upgrade.
UPDATE ns_meta SET version = :version
