-- What is lost when the database is set back is told from the snapshot itself.
DROP TABLE floors;

-- How many files its snapshot lists that are not here.
ALTER TABLE collections ADD COLUMN lost BIGINT NOT NULL DEFAULT 0;

-- Whether the signer had signed with the key before this database knew of it: a root that is not here
-- names it.
ALTER TABLE online_keys ADD COLUMN found BOOLEAN NOT NULL DEFAULT FALSE;
