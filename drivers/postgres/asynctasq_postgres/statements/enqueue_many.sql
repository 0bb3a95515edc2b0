SELECT place, existing_id FROM {enqueue}(
    $1::bigint, $2::text[], $3::bytea[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::smallint[],
    $9::double precision[], $10::timestamptz[], $11::text[], $12::double precision[], $13::double precision[],
    $14::double precision[], $15::text[]
)
