ALTER TABLE proposal_files DROP COLUMN is_published;
