SELECT removed, more, held FROM {maintain}($1, $2, $3)
