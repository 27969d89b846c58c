-- Each line of the audit is bound to the line before: `hash` is the SHA-256 of the line as JSON, which
-- names the hash of the line before. Lines that are there already get theirs from the program.
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';

DROP TRIGGER audit_is_never_changed;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
WHEN OLD.hash <> ''
BEGIN
    SELECT RAISE(ABORT, 'the audit is only appended to');
END;

-- Runs of old lines that stand in files. A line may leave the table once its segment is here.
CREATE TABLE audit_segments (
    last_seq  INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL UNIQUE,
    file      TEXT NOT NULL, -- its name in the directory of the segments
    sha256    TEXT NOT NULL, -- of the whole file
    last_hash TEXT NOT NULL, -- of the last line
    sealed_at TEXT NOT NULL
) STRICT;

CREATE TRIGGER segments_are_never_changed BEFORE UPDATE ON audit_segments
BEGIN
    SELECT RAISE(ABORT, 'the audit is only appended to');
END;

CREATE TRIGGER segments_are_never_deleted BEFORE DELETE ON audit_segments
BEGIN
    SELECT RAISE(ABORT, 'the audit is only appended to');
END;

DROP TRIGGER audit_is_never_deleted;

CREATE TRIGGER audit_is_never_deleted_unsealed BEFORE DELETE ON audit
WHEN OLD.seq > coalesce((SELECT max(last_seq) FROM audit_segments), 0)
BEGIN
    SELECT RAISE(ABORT, 'the audit is only appended to');
END;

-- Who set what is remembered, and why: the line of the audit moves to a segment one day.
ALTER TABLE memory ADD COLUMN set_by TEXT;
ALTER TABLE memory ADD COLUMN set_reason TEXT;

UPDATE memory SET (set_by, set_reason) = (
    SELECT who, reason FROM audit
    WHERE action = 'memory set' AND audit.role = memory.role AND audit.sha256 = memory.sha256
    ORDER BY seq DESC LIMIT 1
);
