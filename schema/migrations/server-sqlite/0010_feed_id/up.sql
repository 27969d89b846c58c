-- Numbers repeat where the database was set back; the id tells one feed from another.
ALTER TABLE feed ADD COLUMN feed_id TEXT NOT NULL DEFAULT '';
UPDATE feed SET feed_id = lower(hex(randomblob(16)));

-- Its events tell of collections that were found behind. SQLite cannot widen a CHECK: the table is
-- made anew.
CREATE TABLE new_events (
    seq           BIGINT NOT NULL PRIMARY KEY,
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    kind          TEXT   NOT NULL CHECK (kind IN (
                      'publish', 'refresh', 'delete', 'undelete', 'policy', 'revoke', 'unrevoke',
                      'restored')),
    at            BIGINT NOT NULL,
    done_by       TEXT,           -- ids of tokens, separated by commas; absent for the server itself
    roles         TEXT   NOT NULL, -- [{"name","version","sha256"}]
    revocation    TEXT            -- {"keyid","reason"}
);
INSERT INTO new_events (seq, collection_id, kind, at, done_by, roles, revocation)
SELECT seq, collection_id, kind, at, done_by, roles, revocation FROM events;
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
CREATE INDEX events_by_collection ON events (collection_id, seq);
