ALTER TABLE online_keys DROP COLUMN found;
ALTER TABLE collections DROP COLUMN lost;
CREATE TABLE floors (
    collection_id BIGINT NOT NULL REFERENCES collections (id),
    role          TEXT   NOT NULL,
    version       BIGINT NOT NULL,
    found_at      BIGINT NOT NULL,
    PRIMARY KEY (collection_id, role)
);
