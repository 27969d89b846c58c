-- The lifetimes that a collection has of its own: {"timestamp_seconds":43200}. Of the others it has
-- those of the configuration. They belong to one life of a name, like everything in this row.
ALTER TABLE collections ADD COLUMN lifetimes TEXT NOT NULL DEFAULT '{}';
DROP TABLE policies;
