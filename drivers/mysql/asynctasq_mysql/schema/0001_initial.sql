-- Times and durations are whole microseconds; moments count from 1970, UTC. A namespace is a number: see {namespace}.

CREATE TABLE IF NOT EXISTS {namespace} (
  number INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  UNIQUE KEY by_name (name)
) ENGINE = InnoDB;

-- Tasks that have a record. A live one, waiting or leased, has state 0, or 1 once its cancellation was requested; what
-- time has ended is ended by whoever meets it. at_us: when it is due; the lease's end while receipt is not 0.
-- priority_order is 9 - priority. special: more than an enqueued, delivered and completed task has to be cared for.
CREATE TABLE IF NOT EXISTS {task} (
  pk BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  namespace INT UNSIGNED NOT NULL DEFAULT 0,
  queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  state TINYINT UNSIGNED NOT NULL DEFAULT 0,
  priority_order TINYINT UNSIGNED NOT NULL DEFAULT 0,
  at_us BIGINT NOT NULL DEFAULT 0,
  receipt BIGINT UNSIGNED NOT NULL DEFAULT 0,
  attempt INT UNSIGNED NOT NULL DEFAULT 0,
  worker INT UNSIGNED NOT NULL DEFAULT 0,
  started_us BIGINT NOT NULL DEFAULT 0,
  special TINYINT UNSIGNED NOT NULL DEFAULT 0,
  enqueued_us BIGINT NOT NULL DEFAULT 0,
  expires_us BIGINT NOT NULL DEFAULT 9223372036854775807,
  remember_us BIGINT NOT NULL DEFAULT 60000000,
  keep_us BIGINT NOT NULL DEFAULT 0,
  finished_us BIGINT NOT NULL DEFAULT 0,
  id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
  name VARBINARY(200) NOT NULL DEFAULT '',
  correlation_id VARBINARY(200) NULL,
  dedupe_key VARBINARY(200) NULL,
  reason VARBINARY(200) NULL,
  failures MEDIUMBLOB NULL,
  result MEDIUMBLOB NULL,
  payload MEDIUMBLOB NOT NULL,
  KEY line (namespace, queue, state, priority_order, at_us)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Every known id, from the task's acceptance until it is forgotten. pk: of its row in {task}, which may be gone.
CREATE TABLE IF NOT EXISTS {known} (
  namespace INT UNSIGNED NOT NULL,
  id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  pk BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (namespace, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- Who holds a dedupe key: live tasks only. slot: the queue, a zero byte, and the key.
CREATE TABLE IF NOT EXISTS {dedupe} (
  namespace INT UNSIGNED NOT NULL,
  slot VARBINARY(265) NOT NULL,
  pk BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (namespace, slot)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- The next moment at which time does something to a task, but for becoming due. kind: the task's state (0 for 1, too).
CREATE TABLE IF NOT EXISTS {agenda} (
  pk BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  namespace INT UNSIGNED NOT NULL,
  kind TINYINT UNSIGNED NOT NULL,
  at_us BIGINT NOT NULL,
  KEY due (namespace, kind, at_us)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

-- One row per call that ended tasks: what to add to the totals, and which ids (as many as `remembered`) to forget, and
-- when.
CREATE TABLE IF NOT EXISTS {journal} (
  pk BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  namespace INT UNSIGNED NOT NULL,
  queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  forget_us BIGINT NOT NULL,
  completed INT UNSIGNED NOT NULL,
  dead INT UNSIGNED NOT NULL,
  retried INT UNSIGNED NOT NULL,
  cancelled INT UNSIGNED NOT NULL,
  remembered INT UNSIGNED NOT NULL,
  pks MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  ids MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  KEY due (namespace, forget_us)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS {totals} (
  namespace INT UNSIGNED NOT NULL,
  queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  completed BIGINT UNSIGNED NOT NULL,
  dead BIGINT UNSIGNED NOT NULL,
  retried BIGINT UNSIGNED NOT NULL,
  cancelled BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (namespace, queue)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS {paused} (
  namespace INT UNSIGNED NOT NULL,
  queue VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (namespace, queue)
) ENGINE = InnoDB;

-- Workers by number, which fits a row that is often updated better than a name.
CREATE TABLE IF NOT EXISTS {worker} (
  number INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  namespace INT UNSIGNED NOT NULL,
  name VARBINARY(200) NOT NULL,
  UNIQUE KEY by_name (namespace, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS {report} (
  namespace INT UNSIGNED NOT NULL,
  worker VARBINARY(200) NOT NULL,
  reported_us BIGINT NOT NULL,
  until_us BIGINT NOT NULL,
  data MEDIUMBLOB NOT NULL,
  PRIMARY KEY (namespace, worker)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
