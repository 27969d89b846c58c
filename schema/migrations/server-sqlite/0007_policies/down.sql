CREATE TABLE policies (
    collection_id       BIGINT NOT NULL PRIMARY KEY REFERENCES collections (id),
    root_seconds        BIGINT NOT NULL,
    targets_seconds     BIGINT NOT NULL,
    offline_max_seconds BIGINT NOT NULL,
    snapshot_seconds    BIGINT NOT NULL,
    timestamp_seconds   BIGINT NOT NULL,
    changed_at          BIGINT NOT NULL,
    changed_by          TEXT   NOT NULL
);
ALTER TABLE collections DROP COLUMN lifetimes;
