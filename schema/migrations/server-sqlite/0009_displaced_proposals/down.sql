ALTER TABLE proposals DROP COLUMN displaced_by;
