-- What the signer must never lose: its keys, what they signed last, and who asked for what.
-- Times are RFC 3339 text in UTC; roles are 'snapshot' or 'timestamp'.

-- What derives the store key from the passphrase; one row. Without it all sealed keys are lost.
CREATE TABLE store_header (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    rounds      INTEGER NOT NULL,
    salt        BLOB NOT NULL,
    check_value BLOB NOT NULL
) STRICT;

-- seq is the order of creation. Everything but the state stays as it was inserted.
CREATE TABLE online_keys (
    seq          INTEGER PRIMARY KEY,
    keyid        TEXT NOT NULL UNIQUE,
    collection   TEXT NOT NULL,
    incarnation  TEXT NOT NULL,
    role         TEXT NOT NULL CHECK (role IN ('snapshot', 'timestamp')),
    state        TEXT NOT NULL CHECK (state IN ('pending', 'active', 'retiring', 'retired')),
    -- What the key was before it was retired, so that retiring can be undone.
    retired_from TEXT CHECK ((state = 'retired') = (retired_from IS NOT NULL)),
    public_key   BLOB NOT NULL, -- SubjectPublicKeyInfo
    handle       BLOB NOT NULL, -- what the key store needs to find the private key
    created_at   TEXT NOT NULL
) STRICT;

CREATE INDEX online_keys_of_role ON online_keys (collection, incarnation, role, seq);

-- A repeated rotation must answer the same key, or a ceremony signs a root with a lost one.
CREATE UNIQUE INDEX one_pending_key ON online_keys (collection, incarnation, role)
    WHERE state = 'pending';

CREATE TRIGGER online_keys_are_never_deleted BEFORE DELETE ON online_keys
BEGIN
    SELECT RAISE(ABORT, 'private keys are never deleted');
END;

-- The last file of each role, whichever key signed it.
CREATE TABLE memory (
    id          INTEGER PRIMARY KEY,
    collection  TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    role        TEXT NOT NULL CHECK (role IN ('snapshot', 'timestamp')),
    version     INTEGER NOT NULL CHECK (version >= 1),
    sha256      TEXT NOT NULL,
    signed_at   TEXT NOT NULL,
    file        BLOB NOT NULL,
    UNIQUE (collection, incarnation, role)
) STRICT;

-- One line for each request and each act of an operator, in the order in which they took effect.
CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY,
    at          TEXT NOT NULL,
    who         TEXT NOT NULL,
    action      TEXT NOT NULL,
    request_id  TEXT,
    collection  TEXT,
    incarnation TEXT,
    role        TEXT,
    keyids      TEXT, -- separated by spaces
    version     INTEGER,
    sha256      TEXT, -- of the answered file; where signing was refused, of the document
    outcome     TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is only appended to');
END;

CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is only appended to');
END;
