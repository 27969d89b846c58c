ALTER TABLE online_keys DROP COLUMN standby_for;
