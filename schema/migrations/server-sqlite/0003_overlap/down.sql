ALTER TABLE slots DROP COLUMN overlap;
ALTER TABLE online_keys DROP COLUMN taken_away_at;
