-- The store key is derived from a passphrase (rounds, salt), or it is wrapped by a key in a backend.
CREATE TABLE store_header_with_wrapping (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    rounds       INTEGER,
    salt         BLOB,
    wrapping_key TEXT, -- its name in the backend
    wrapped      BLOB, -- what the backend made of the store key
    check_value  BLOB NOT NULL,
    CHECK ((rounds IS NULL) = (salt IS NULL)),
    CHECK ((wrapping_key IS NULL) = (wrapped IS NULL)),
    CHECK ((rounds IS NULL) <> (wrapped IS NULL))
) STRICT;

INSERT INTO store_header_with_wrapping (id, rounds, salt, check_value)
    SELECT id, rounds, salt, check_value FROM store_header;
DROP TABLE store_header;
ALTER TABLE store_header_with_wrapping RENAME TO store_header;
