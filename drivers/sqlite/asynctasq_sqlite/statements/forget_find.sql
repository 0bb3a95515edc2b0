SELECT forget_at, token, queue, seqs FROM ns_remembered WHERE forget_at <= ?1 ORDER BY forget_at, token, queue
