-- Made before the first numbered file is run.
CREATE TABLE IF NOT EXISTS {migrations} (
  version INT UNSIGNED NOT NULL PRIMARY KEY,
  file VARCHAR(100) CHARACTER SET ascii NOT NULL,
  applied_us BIGINT NOT NULL
) ENGINE = InnoDB
