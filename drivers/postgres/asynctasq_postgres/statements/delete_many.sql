SELECT {remove}($1, $2)
