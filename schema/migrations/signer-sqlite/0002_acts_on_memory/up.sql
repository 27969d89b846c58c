-- An operator may set what is remembered: why, and what was remembered before.
ALTER TABLE audit ADD COLUMN reason TEXT;
ALTER TABLE audit ADD COLUMN version_before INTEGER;
ALTER TABLE audit ADD COLUMN sha256_before TEXT;
