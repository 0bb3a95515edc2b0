SELECT {settle}(
    $1::bigint, $2::bigint[], $3::bigint[], $4::smallint[], $5::double precision[], $6::bytea[], $7::text[], $8::text[],
    $9::integer[], $10::text[], $11::bytea[], $12::text[], $13::text[], $14::bigint[], $15::text[], $16::smallint[],
    $17::double precision[], $18::timestamptz[], $19::text[], $20::double precision[], $21::double precision[],
    $22::double precision[], $23::text[]
)
