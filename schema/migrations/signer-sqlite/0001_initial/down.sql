DROP TABLE audit;
DROP TABLE memory;
DROP TABLE online_keys;
DROP TABLE store_header;
