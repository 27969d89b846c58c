-- What a copy of this database does not know: whether more was signed since it was made. `backup`
-- writes a row for each row of memory into the copy; what an operator sets takes it out. A signer
-- does not start as long as there is one. No reference to memory: setting it makes its row anew.
CREATE TABLE unsettled (
    collection  TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    role        TEXT NOT NULL CHECK (role IN ('snapshot', 'timestamp')),
    PRIMARY KEY (collection, incarnation, role)
) STRICT;
