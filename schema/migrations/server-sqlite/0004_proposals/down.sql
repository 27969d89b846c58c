ALTER TABLE proposal_files DROP COLUMN signed_sha256;
DROP INDEX proposals_by_collection;
ALTER TABLE proposals DROP COLUMN revision;
ALTER TABLE proposals DROP COLUMN compromised;
ALTER TABLE proposals DROP COLUMN orphan;
ALTER TABLE proposals DROP COLUMN pending;
ALTER TABLE proposals DROP COLUMN lapses_at;
ALTER TABLE proposals DROP COLUMN reason;
