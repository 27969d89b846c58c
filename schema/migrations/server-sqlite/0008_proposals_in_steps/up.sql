-- Whether a file of a proposal is published: the one that goes before a root is there some seconds
-- earlier, and a crash may come between.
ALTER TABLE proposal_files ADD COLUMN is_published BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE proposal_files SET is_published = TRUE
WHERE proposal_id IN (SELECT id FROM proposals WHERE state = 'published');
