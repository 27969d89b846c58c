-- A public key is revoked once, whatever ids it has. Nothing has written to the table before.
DROP TABLE revocations;
CREATE TABLE revocations (
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    public_key    TEXT   NOT NULL, -- its SubjectPublicKeyInfo in hexadecimal: one text for all spellings
    keyid         TEXT   NOT NULL, -- SHA-256 of the key object
    key_object    TEXT   NOT NULL,
    reason        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT   NOT NULL,
    PRIMARY KEY (collection_id, public_key),
    UNIQUE (collection_id, keyid)
);

-- Events of revocations name the key. SQLite cannot widen a CHECK: the table is made anew.
CREATE TABLE new_events (
    seq           BIGINT NOT NULL PRIMARY KEY,
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    kind          TEXT   NOT NULL CHECK (kind IN (
                      'publish', 'refresh', 'delete', 'undelete', 'policy', 'revoke', 'unrevoke')),
    at            BIGINT NOT NULL,
    done_by       TEXT,           -- ids of tokens, separated by commas; absent for the server itself
    roles         TEXT   NOT NULL, -- [{"name","version","sha256"}]
    revocation    TEXT            -- {"keyid","reason"}
);
INSERT INTO new_events (seq, collection_id, kind, at, done_by, roles)
SELECT seq, collection_id, kind, at, done_by, roles FROM events;
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
CREATE INDEX events_by_collection ON events (collection_id, seq);
