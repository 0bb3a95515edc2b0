SELECT {settle_plain}($1, $2, $3)
