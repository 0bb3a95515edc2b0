-- Made before the first numbered file is run.
CREATE TABLE {migrations} (
    version integer PRIMARY KEY,
    file text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
