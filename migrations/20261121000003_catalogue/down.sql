DROP TABLE streams;
DROP TABLE episodes;
DROP TABLE seasons;
DROP TABLE genres_series;
DROP TABLE series;
DROP TABLE genres;
DROP EXTENSION pg_trgm;
