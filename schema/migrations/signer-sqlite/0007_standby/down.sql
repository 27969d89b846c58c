-- To the older program a stand-by is a key like others, of which one may be pending.
UPDATE online_keys SET state = 'retiring' WHERE state = 'pending' AND standby_for IS NOT NULL;
DROP INDEX one_pending_key;
CREATE UNIQUE INDEX one_pending_key ON online_keys (collection, incarnation, role)
    WHERE state = 'pending';

DROP INDEX one_standby;
ALTER TABLE online_keys DROP COLUMN standby_for;
