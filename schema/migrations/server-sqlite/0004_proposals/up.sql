-- Why a proposal was made, how long it waits, and what its publish names. Each change of it counts
-- its revision: who changes it says which one was read.
ALTER TABLE proposals ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE proposals ADD COLUMN lapses_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE proposals ADD COLUMN pending TEXT NOT NULL DEFAULT '[]';
ALTER TABLE proposals ADD COLUMN orphan TEXT NOT NULL DEFAULT '[]';
ALTER TABLE proposals ADD COLUMN compromised TEXT NOT NULL DEFAULT '[]';
ALTER TABLE proposals ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
CREATE INDEX proposals_by_collection ON proposals (collection_id, id);

-- SHA-256 of the canonical form of `signed`.
ALTER TABLE proposal_files ADD COLUMN signed_sha256 TEXT NOT NULL DEFAULT '';
