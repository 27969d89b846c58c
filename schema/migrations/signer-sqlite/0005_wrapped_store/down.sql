-- A store whose key is wrapped has no passphrase to go back to: this fails where there is one.
CREATE TABLE store_header_with_passphrase (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    rounds      INTEGER NOT NULL,
    salt        BLOB NOT NULL,
    check_value BLOB NOT NULL
) STRICT;

INSERT INTO store_header_with_passphrase SELECT id, rounds, salt, check_value FROM store_header;
DROP TABLE store_header;
ALTER TABLE store_header_with_passphrase RENAME TO store_header;
