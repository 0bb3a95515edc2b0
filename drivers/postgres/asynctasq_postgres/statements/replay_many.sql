SELECT id, outcome, holder FROM {replay}($1, $2)
