ALTER TABLE unsettled DROP COLUMN cause;
DROP TABLE identity;
