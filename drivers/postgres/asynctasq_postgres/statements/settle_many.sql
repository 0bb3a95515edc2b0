SELECT {settle}(
    $1::bigint, $2::bigint[], $3::bigint[], $4::smallint[], $5::double precision[], $6::bytea[], $7::text[], $8::text[],
    $9::integer[], $10::integer[], $11::text[], $12::bytea[], $13::text[], $14::text[], $15::bigint[], $16::text[],
    $17::smallint[], $18::double precision[], $19::timestamptz[], $20::text[], $21::double precision[],
    $22::double precision[], $23::double precision[], $24::text[]
)
