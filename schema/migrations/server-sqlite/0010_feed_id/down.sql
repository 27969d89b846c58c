-- Numbers stay without gaps: what the older program does not know becomes a change of policy.
CREATE TABLE old_events (
    seq           BIGINT NOT NULL PRIMARY KEY,
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    kind          TEXT   NOT NULL CHECK (kind IN (
                      'publish', 'refresh', 'delete', 'undelete', 'policy', 'revoke', 'unrevoke')),
    at            BIGINT NOT NULL,
    done_by       TEXT,           -- ids of tokens, separated by commas; absent for the server itself
    roles         TEXT   NOT NULL, -- [{"name","version","sha256"}]
    revocation    TEXT            -- {"keyid","reason"}
);
INSERT INTO old_events (seq, collection_id, kind, at, done_by, roles, revocation)
SELECT seq, collection_id, CASE kind WHEN 'restored' THEN 'policy' ELSE kind END,
       at, done_by, roles, revocation
FROM events;
DROP TABLE events;
ALTER TABLE old_events RENAME TO events;
CREATE INDEX events_by_collection ON events (collection_id, seq);

ALTER TABLE feed DROP COLUMN feed_id;
