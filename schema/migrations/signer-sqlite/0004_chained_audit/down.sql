ALTER TABLE memory DROP COLUMN set_reason;
ALTER TABLE memory DROP COLUMN set_by;
DROP TRIGGER audit_is_never_deleted_unsealed;
DROP TABLE audit_segments;
DROP TRIGGER audit_is_never_changed;
ALTER TABLE audit DROP COLUMN hash;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is only appended to');
END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit is only appended to');
END;
