-- The key that a stand-by stands by for. One request names both, and one of them signs.
ALTER TABLE online_keys ADD COLUMN standby_for TEXT;

CREATE UNIQUE INDEX one_standby ON online_keys (standby_for);

-- One pending key and one pending stand-by.
DROP INDEX one_pending_key;
CREATE UNIQUE INDEX one_pending_key ON online_keys (collection, incarnation, role, (standby_for IS NULL))
    WHERE state = 'pending';
