-- Times and durations are whole milliseconds. `ns_` becomes the prefix of the namespace.

-- Every known task, from its acceptance until its id is forgotten. Rows never change (but for a large payload, which is
-- cleared when nobody needs it any more): what changes is which of the thin tables below holds the task's seq.
CREATE TABLE ns_task (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  queue TEXT NOT NULL,
  rank INTEGER NOT NULL,
  at INTEGER NOT NULL,
  enqueued_at INTEGER NOT NULL,
  remember_for INTEGER NOT NULL,
  name TEXT NOT NULL,
  correlation_id TEXT,
  payload BLOB NOT NULL
) STRICT;

-- Waiting tasks, in the order of delivery. rank is 9 - priority. special: the task has a row in ns_extra.
CREATE TABLE ns_waiting (
  queue TEXT NOT NULL,
  rank INTEGER NOT NULL,
  at INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  special INTEGER NOT NULL,
  PRIMARY KEY (queue, rank, at, seq)
) STRICT, WITHOUT ROWID;

-- Delivered tasks. Without an index on the lease's end: ns_meta.next_lapse is a lower bound of all of them.
CREATE TABLE ns_leased (
  seq INTEGER PRIMARY KEY,
  token INTEGER NOT NULL,
  until INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  special INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  remember_for INTEGER NOT NULL,
  queue TEXT NOT NULL,
  worker TEXT NOT NULL
) STRICT;

-- What a plain task, enqueued, delivered and completed, does without. at: the present due time, if it is not the first.
-- expires_at: set while the task waits.
CREATE TABLE ns_extra (
  seq INTEGER PRIMARY KEY,
  at INTEGER,
  dedupe_key TEXT,
  expires_after INTEGER,
  expires_at INTEGER,
  keep_for INTEGER NOT NULL DEFAULT 0,
  cancel_requested INTEGER NOT NULL DEFAULT 0,
  worker TEXT,
  started_at INTEGER,
  failures TEXT
) STRICT;
CREATE INDEX ns_extra_expiry ON ns_extra (expires_at) WHERE expires_at IS NOT NULL;

-- Who holds a dedupe key: waiting and leased tasks only.
CREATE TABLE ns_dedupe (
  queue TEXT NOT NULL,
  dedupe_key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (queue, dedupe_key)
) STRICT, WITHOUT ROWID;

-- Records of tasks that ended. drop_at: when the record goes; NULL for a dead letter.
CREATE TABLE ns_ended (
  seq INTEGER PRIMARY KEY,
  queue TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  finished_at INTEGER NOT NULL,
  drop_at INTEGER,
  reason TEXT,
  result BLOB
) STRICT;
CREATE INDEX ns_ended_state ON ns_ended (state, seq);
CREATE INDEX ns_ended_queue ON ns_ended (queue, state);
CREATE INDEX ns_ended_drop ON ns_ended (drop_at) WHERE drop_at IS NOT NULL;
CREATE INDEX ns_ended_dead ON ns_ended (finished_at) WHERE state = 'dead';

-- Tasks without a record whose ids are still known: one row per settling call and queue. seqs is a JSON array.
CREATE TABLE ns_remembered (
  forget_at INTEGER NOT NULL,
  token INTEGER NOT NULL,
  queue TEXT NOT NULL,
  seqs TEXT NOT NULL,
  PRIMARY KEY (forget_at, token, queue)
) STRICT, WITHOUT ROWID;

CREATE TABLE ns_totals (
  queue TEXT PRIMARY KEY,
  completed INTEGER NOT NULL,
  dead INTEGER NOT NULL,
  retried INTEGER NOT NULL,
  cancelled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ns_paused (queue TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE ns_report (
  worker TEXT PRIMARY KEY,
  data BLOB NOT NULL,
  reported_at INTEGER NOT NULL,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ns_meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  version INTEGER NOT NULL,
  next_lapse INTEGER NOT NULL
) STRICT;
INSERT INTO ns_meta (one, version, next_lapse) VALUES (1, 0, 9223372036854775807);
