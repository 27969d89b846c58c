-- Since when a key signs on that a root took away; absent for all others.
ALTER TABLE online_keys ADD COLUMN taken_away_at BIGINT;
-- The keys that the root of the release takes away: [["timestamp","KEYID"]].
ALTER TABLE slots ADD COLUMN overlap TEXT NOT NULL DEFAULT '[]';
