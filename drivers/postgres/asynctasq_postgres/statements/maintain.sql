SELECT removed, more FROM {maintain}($1, $2, $3)
