ALTER TABLE audit DROP COLUMN sha256_before;
ALTER TABLE audit DROP COLUMN version_before;
ALTER TABLE audit DROP COLUMN reason;
