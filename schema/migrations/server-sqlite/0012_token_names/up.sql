-- What people call a token, so that they know which one to revoke.
ALTER TABLE tokens ADD COLUMN name TEXT;
