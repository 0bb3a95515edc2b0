SELECT id, outcome FROM {cancel}($1, $2)
