SELECT page.next, found.*
FROM clock_timestamp() AS clock (now),
    LATERAL {find}($1, $2, $3, $4, $5, $6, $7, $8, clock.now) AS page
    LEFT JOIN LATERAL {records}($1, page.seqs, clock.now) AS found ON true
