SELECT seq, receipt, seconds_left, cancel_requested FROM {extend}($1, $2, $3, $4)
