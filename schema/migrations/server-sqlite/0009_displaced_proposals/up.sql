-- The proposal that took the place of one that nobody had signed; it is `cancelled` then.
ALTER TABLE proposals ADD COLUMN displaced_by TEXT;
