-- Times are seconds since 1970 (UTC), lists and objects are JSON text.

-- One row for each life (incarnation) of a name. A reservation may stand beside a tombstone.
CREATE TABLE collections (
    id            INTEGER NOT NULL PRIMARY KEY,
    gun           TEXT    NOT NULL,
    incarnation   TEXT    NOT NULL UNIQUE,
    state         TEXT    NOT NULL CHECK (state IN ('reserved', 'live', 'deleted')),
    is_public     BOOLEAN NOT NULL DEFAULT TRUE,
    fence         BIGINT  NOT NULL DEFAULT 0, -- counts claims and rebuilds of the release slot
    seq           BIGINT  NOT NULL DEFAULT 0, -- its last commit
    reserved_at   BIGINT  NOT NULL,
    changed_at    BIGINT  NOT NULL,           -- its last publish
    deleted_at    BIGINT,
    replaced_by   BIGINT  REFERENCES collections (id)
);
CREATE UNIQUE INDEX one_reservation ON collections (gun) WHERE state = 'reserved';
CREATE UNIQUE INDEX one_life ON collections (gun) WHERE state <> 'reserved' AND replaced_by IS NULL;

-- Every file that was ever committed, byte for byte.
CREATE TABLE files (
    collection_id BIGINT  NOT NULL REFERENCES collections (id),
    role          TEXT    NOT NULL,
    version       BIGINT  NOT NULL,
    sha256        TEXT    NOT NULL,
    length        BIGINT  NOT NULL,
    expires       BIGINT  NOT NULL,
    seq           BIGINT  NOT NULL, -- the commit that brought it
    bytes         BLOB    NOT NULL,
    gzip          BLOB,             -- absent where it would not be shorter
    PRIMARY KEY (collection_id, role, version)
);
CREATE TRIGGER files_are_immutable BEFORE UPDATE ON files
BEGIN SELECT RAISE(ABORT, 'a committed file cannot be changed'); END;

-- Which file of each role is the current one, with all that a publish is judged on.
CREATE TABLE current_files (
    collection_id BIGINT  NOT NULL REFERENCES collections (id),
    role          TEXT    NOT NULL,
    version       BIGINT  NOT NULL,
    sha256        TEXT    NOT NULL,
    length        BIGINT  NOT NULL,
    expires       BIGINT  NOT NULL,
    delegates     BOOLEAN NOT NULL, -- its bytes are part of every head
    PRIMARY KEY (collection_id, role),
    FOREIGN KEY (collection_id, role, version) REFERENCES files (collection_id, role, version)
);
CREATE INDEX current_files_by_expiry ON current_files (role, expires);

-- The one release of a collection that is prepared and not yet committed.
CREATE TABLE slots (
    collection_id     BIGINT NOT NULL PRIMARY KEY REFERENCES collections (id),
    fence             BIGINT NOT NULL,
    purpose           TEXT   NOT NULL CHECK (purpose IN ('publish', 'refresh')),
    snapshot_version  BIGINT,
    snapshot_signed   BLOB,
    snapshot_keyids   TEXT,
    timestamp_version BIGINT NOT NULL,
    timestamp_expires BIGINT NOT NULL,
    timestamp_keyids  TEXT   NOT NULL,
    rebuilds          BIGINT NOT NULL DEFAULT 0,
    reason            TEXT,   -- why the signer refuses it
    retry_at          BIGINT, -- not before
    prepared_at       BIGINT NOT NULL
);

-- The files of a slot. They are not served.
CREATE TABLE slot_files (
    collection_id BIGINT  NOT NULL REFERENCES slots (collection_id) ON DELETE CASCADE,
    role          TEXT    NOT NULL,
    version       BIGINT  NOT NULL,
    bytes         BLOB    NOT NULL,
    PRIMARY KEY (collection_id, role, version)
);

-- Every commit, numbered without gaps in commit order.
CREATE TABLE events (
    seq           BIGINT NOT NULL PRIMARY KEY,
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    kind          TEXT   NOT NULL CHECK (kind IN ('publish', 'refresh')),
    at            BIGINT NOT NULL,
    roles         TEXT   NOT NULL -- [{"name","version","sha256"}]
);
CREATE INDEX events_by_collection ON events (collection_id, seq);
CREATE TABLE feed (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    last_seq BIGINT  NOT NULL
);
INSERT INTO feed (id, last_seq) VALUES (1, 0);

-- The public keys that the signer answered.
CREATE TABLE online_keys (
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    role          TEXT   NOT NULL CHECK (role IN ('snapshot', 'timestamp')),
    keyid         TEXT   NOT NULL,
    key_object    TEXT   NOT NULL,
    state         TEXT   NOT NULL CHECK (state IN ('pending', 'active', 'retiring', 'retired')),
    PRIMARY KEY (collection_id, role, keyid)
);

CREATE TABLE tokens (
    id              TEXT   NOT NULL PRIMARY KEY,
    sha256          TEXT   NOT NULL UNIQUE,
    grant_name      TEXT   NOT NULL CHECK (grant_name IN ('read', 'sign', 'publish', 'root', 'admin')),
    collection_glob TEXT   NOT NULL,
    role_globs      TEXT   NOT NULL, -- empty: every role that the grant covers
    created_at      BIGINT NOT NULL,
    created_by      TEXT   NOT NULL,
    expires_at      BIGINT,
    last_used_at    BIGINT,
    revoked_at      BIGINT
);

-- Lifetimes of a single collection; without a row those of the configuration hold.
CREATE TABLE policies (
    collection_id       BIGINT NOT NULL PRIMARY KEY REFERENCES collections (id),
    root_seconds        BIGINT NOT NULL,
    targets_seconds     BIGINT NOT NULL,
    offline_max_seconds BIGINT NOT NULL,
    snapshot_seconds    BIGINT NOT NULL,
    timestamp_seconds   BIGINT NOT NULL,
    changed_at          BIGINT NOT NULL,
    changed_by          TEXT   NOT NULL
);

-- Keys that no new metadata may name or be signed with.
CREATE TABLE revocations (
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    keyid         TEXT   NOT NULL,
    public_key    TEXT   NOT NULL,
    reason        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT   NOT NULL,
    PRIMARY KEY (collection_id, keyid)
);

-- Metadata that gathers signatures.
CREATE TABLE proposals (
    id            TEXT   NOT NULL PRIMARY KEY,
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    state         TEXT   NOT NULL CHECK (state IN ('open', 'published', 'cancelled')),
    created_at    BIGINT NOT NULL,
    created_by    TEXT   NOT NULL,
    closed_at     BIGINT
);
CREATE TABLE proposal_files (
    proposal_id TEXT   NOT NULL REFERENCES proposals (id),
    role        TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    signed      BLOB   NOT NULL,
    PRIMARY KEY (proposal_id, role)
);
CREATE TABLE proposal_signatures (
    proposal_id TEXT   NOT NULL,
    role        TEXT   NOT NULL,
    keyid       TEXT   NOT NULL,
    signature   BLOB   NOT NULL,
    created_at  BIGINT NOT NULL,
    created_by  TEXT   NOT NULL,
    PRIMARY KEY (proposal_id, role, keyid),
    FOREIGN KEY (proposal_id, role) REFERENCES proposal_files (proposal_id, role)
);

-- Versions that a restored database must not fall below, as the signer remembers them.
CREATE TABLE floors (
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    role          TEXT   NOT NULL,
    version       BIGINT NOT NULL,
    found_at      BIGINT NOT NULL,
    PRIMARY KEY (collection_id, role)
);
