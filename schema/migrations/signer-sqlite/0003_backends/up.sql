-- Which backend of the configuration has the private key; the handle is that backend's.
ALTER TABLE online_keys ADD COLUMN backend TEXT NOT NULL DEFAULT 'software';
