-- Numbers stay without gaps: what the older program does not know becomes a refresh without files.
CREATE TABLE old_events (
    seq           BIGINT NOT NULL PRIMARY KEY,
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    kind          TEXT   NOT NULL CHECK (kind IN ('publish', 'refresh')),
    at            BIGINT NOT NULL,
    roles         TEXT   NOT NULL -- [{"name","version","sha256"}]
);
INSERT INTO old_events (seq, collection_id, kind, at, roles)
SELECT seq, collection_id, CASE kind WHEN 'publish' THEN 'publish' ELSE 'refresh' END, at, roles
FROM events;
DROP TABLE events;
ALTER TABLE old_events RENAME TO events;
CREATE INDEX events_by_collection ON events (collection_id, seq);
ALTER TABLE slots DROP COLUMN reason_code;
ALTER TABLE slots DROP COLUMN done_by;
ALTER TABLE tokens DROP COLUMN origin;
ALTER TABLE collections DROP COLUMN reserved_by;
