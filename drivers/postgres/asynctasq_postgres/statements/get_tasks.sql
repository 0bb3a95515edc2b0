SELECT found.*
FROM clock_timestamp() AS clock (now), LATERAL {records}($1, {seqs_of}($1, $2), clock.now) AS found
