-- Who did what, and what only administrators do.

-- SQLite cannot widen a CHECK: the table is made anew. Events name every file of their commit.
CREATE TABLE new_events (
    seq           BIGINT NOT NULL PRIMARY KEY,
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    kind          TEXT   NOT NULL
                  CHECK (kind IN ('publish', 'refresh', 'delete', 'undelete', 'policy')),
    at            BIGINT NOT NULL,
    done_by       TEXT,           -- ids of tokens, separated by commas; absent for the server itself
    roles         TEXT   NOT NULL -- [{"name","version","sha256"}]
);
CREATE INDEX files_by_seq ON files (seq);
INSERT INTO new_events (seq, collection_id, kind, at, done_by, roles)
SELECT seq, collection_id, kind, at, NULL, (
    SELECT json_group_array(json_object('name', role, 'version', version, 'sha256', sha256))
    FROM files WHERE files.seq = events.seq
) FROM events;
DROP INDEX files_by_seq;
DROP TABLE events;
ALTER TABLE new_events RENAME TO events;
CREATE INDEX events_by_collection ON events (collection_id, seq);

-- The publishers of the release, and the stable word for why the signer refuses it.
ALTER TABLE slots ADD COLUMN done_by TEXT;
ALTER TABLE slots ADD COLUMN reason_code TEXT;

-- The token of the server's host that a token comes from, through whatever tokens between: limits
-- are counted for it, so that nobody gets around them with tokens that make tokens.
ALTER TABLE tokens ADD COLUMN origin TEXT NOT NULL DEFAULT '';
UPDATE tokens SET origin = id;
ALTER TABLE collections ADD COLUMN reserved_by TEXT NOT NULL DEFAULT '';
