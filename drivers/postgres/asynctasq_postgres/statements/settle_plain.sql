SELECT completed, seqs FROM {settle_plain}($1, $2, $3)
