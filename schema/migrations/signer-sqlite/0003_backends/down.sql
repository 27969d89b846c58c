ALTER TABLE online_keys DROP COLUMN backend;
