-- The key that a stand-by stands by for: of the two, one signs.
ALTER TABLE online_keys ADD COLUMN standby_for TEXT;
