-- Which file this database is in, so that a copy of it is noticed when a signer starts on it. One row;
-- none before the first start, and none in what `backup` writes.
CREATE TABLE identity (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    inode INTEGER NOT NULL,
    born  INTEGER -- when the file was made, in nanoseconds since 1970, where the file system says so
) STRICT;

-- What made the row: `backup` in its copy, or a signer that found its database in another file.
ALTER TABLE unsettled ADD COLUMN cause TEXT NOT NULL DEFAULT 'backup'
    CHECK (cause IN ('backup', 'moved'));
