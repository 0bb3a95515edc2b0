SELECT place, existing_id FROM {enqueue}(
    $1::bigint, $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::double precision[],
    $9::timestamptz[], $10::text[], $11::double precision[], $12::double precision[], $13::double precision[],
    $14::text[]
)
