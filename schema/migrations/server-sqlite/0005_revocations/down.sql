-- Numbers stay without gaps: what the older program does not know becomes a change of policy.
CREATE TABLE old_events (
    seq           BIGINT NOT NULL PRIMARY KEY,
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    kind          TEXT   NOT NULL
                  CHECK (kind IN ('publish', 'refresh', 'delete', 'undelete', 'policy')),
    at            BIGINT NOT NULL,
    done_by       TEXT,           -- ids of tokens, separated by commas; absent for the server itself
    roles         TEXT   NOT NULL -- [{"name","version","sha256"}]
);
INSERT INTO old_events (seq, collection_id, kind, at, done_by, roles)
SELECT seq, collection_id, CASE WHEN kind IN ('revoke', 'unrevoke') THEN 'policy' ELSE kind END,
       at, done_by, roles
FROM events;
DROP TABLE events;
ALTER TABLE old_events RENAME TO events;
CREATE INDEX events_by_collection ON events (collection_id, seq);

DROP TABLE revocations;
CREATE TABLE revocations (
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    keyid         TEXT   NOT NULL,
    public_key    TEXT   NOT NULL,
    reason        TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT   NOT NULL,
    PRIMARY KEY (collection_id, keyid)
);
