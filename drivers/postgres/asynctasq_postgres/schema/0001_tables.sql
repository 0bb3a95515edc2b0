-- In all files of this folder {name} stands for a table, function, type or sequence of that name, with the schema and
-- the prefix of the settings; {index_name} for an index; {steady_plans} and {often_vacuumed} for the settings that
-- storage_names.py explains.

-- One row per namespace, for people: `key` is computed from the name (see namespaces.py) and stands in every table.
CREATE TABLE {namespaces} (
    key bigint PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE
);

CREATE SEQUENCE {sequence};

-- Every id from its first enqueueing until it is forgotten: the only unique index on ids, paid for once per task.
CREATE TABLE {known} (
    namespace bigint NOT NULL,
    seq bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, id)
) WITH ({often_vacuumed});

-- The live tasks: waiting or leased. `seq` is the order of first acceptance. `ready_at` is the due time, the end of
-- the lease and the order within a line, all in one. A queue has ten lines, one per priority; `line` is their number
-- (see namespaces.py). NULL stands for what plain tasks don't use. Half of each page is left to the claims: a row that stays
-- in its page when it is leased writes a third less to the log.
CREATE TABLE {task} (
    namespace bigint NOT NULL,
    seq bigint NOT NULL,
    line bigint NOT NULL,
    ready_at timestamptz NOT NULL,
    enqueued_at timestamptz NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    priority smallint NOT NULL,
    started_at timestamptz,
    receipt bigint,
    expires_at timestamptz,
    remember_for double precision, -- NULL: 60 s
    keep_for double precision, -- NULL: 0 s
    expires_after double precision,
    cancel_requested boolean, -- NULL: no
    worker text COLLATE "C", -- beside what a claim changes, so that the log can leave out all that follows
    queue text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    payload bytea NOT NULL,
    correlation_id text COLLATE "C",
    dedupe_key text COLLATE "C",
    failures text[] -- JSON, newest first, at most ten
) WITH (fillfactor = 50, {often_vacuumed});

-- Not unique, since the sequence is: checking that against the dead versions of a row made claims a tenth slower.
-- Without a primary key, logical replication of these tables needs to be told what a row is.
CREATE INDEX {index_seq} ON {task} (namespace, seq) WITH (deduplicate_items = off);

ALTER TABLE {task} REPLICA IDENTITY FULL;

-- `seq + 0`: in a table that is small when a plan is made, walking all of this index to one seq looks no dearer than
-- index_seq does, and the plan would stay.
CREATE INDEX {index_order} ON {task} (line, ready_at, (seq + 0)) WITH (deduplicate_items = off);

CREATE UNIQUE INDEX {index_dedupe} ON {task} (namespace, queue, dedupe_key) WHERE dedupe_key IS NOT NULL;

CREATE INDEX {index_expiry} ON {task} (namespace, expires_at) WHERE expires_at IS NOT NULL;

CREATE INDEX {index_requests} ON {task} (namespace, ready_at) WHERE cancel_requested;

-- Records of what has ended and is kept: dead, cancelled, completed with keep_for.
CREATE TABLE {finished} (
    namespace bigint NOT NULL,
    seq bigint NOT NULL,
    line bigint NOT NULL,
    forget_at timestamptz NOT NULL, -- infinity for dead ones
    finished_at timestamptz NOT NULL,
    ready_at timestamptz NOT NULL,
    enqueued_at timestamptz NOT NULL,
    started_at timestamptz,
    remember_for double precision,
    keep_for double precision,
    expires_after double precision,
    attempt integer NOT NULL,
    priority smallint NOT NULL,
    cancel_requested boolean,
    state text COLLATE "C" NOT NULL CHECK (state IN ('completed', 'dead', 'cancelled')),
    queue text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    payload bytea NOT NULL,
    correlation_id text COLLATE "C",
    dedupe_key text COLLATE "C",
    worker text COLLATE "C",
    reason text COLLATE "C",
    failures text[],
    result bytea,
    PRIMARY KEY (namespace, seq)
) WITH ({often_vacuumed});

CREATE INDEX {index_forget} ON {finished} (namespace, forget_at) WHERE state <> 'dead';

-- `seq + 0`, since an order by `seq` alone could be had from the primary key, past all that is not dead.
CREATE INDEX {index_dead} ON {finished} (namespace, (seq + 0)) INCLUDE (queue) WHERE state = 'dead';

CREATE INDEX {index_dead_age} ON {finished} (namespace, finished_at) WHERE state = 'dead';

-- One row per settle call, queue and retention: what it adds to the totals, and the ids to forget at forget_at.
-- maintain() folds due rows into `totals`. There is no hot counter row, and nothing per task.
CREATE TABLE {journal} (
    namespace bigint NOT NULL,
    forget_at timestamptz NOT NULL,
    completed integer NOT NULL DEFAULT 0,
    dead integer NOT NULL DEFAULT 0,
    retried integer NOT NULL DEFAULT 0,
    cancelled integer NOT NULL DEFAULT 0,
    queue text COLLATE "C" NOT NULL,
    seqs bigint[],
    ids text[]
) WITH ({often_vacuumed});

ALTER TABLE {journal} ALTER COLUMN ids SET STORAGE EXTERNAL, ALTER COLUMN seqs SET STORAGE MAIN;

-- A call's ids stay in the row if a page holds them: as many rows of a side table would cost more than the row itself.
ALTER TABLE {journal} SET (toast_tuple_target = 8160);

ALTER TABLE {journal} REPLICA IDENTITY FULL;

CREATE INDEX {index_journal} ON {journal} (namespace, forget_at);

CREATE TABLE {totals} (
    namespace bigint NOT NULL,
    queue text COLLATE "C" NOT NULL,
    completed bigint NOT NULL,
    dead bigint NOT NULL,
    retried bigint NOT NULL,
    cancelled bigint NOT NULL,
    PRIMARY KEY (namespace, queue)
) WITH ({often_vacuumed});

CREATE TABLE {paused} (
    namespace bigint NOT NULL,
    queue text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, queue)
);

CREATE TABLE {reports} (
    namespace bigint NOT NULL,
    worker text COLLATE "C" NOT NULL,
    reported_at timestamptz NOT NULL,
    gone_at timestamptz NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (namespace, worker)
) WITH ({often_vacuumed});
