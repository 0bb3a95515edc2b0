-- One payload that was left out of a claim.
SELECT payload FROM ns_task WHERE seq = ?1
