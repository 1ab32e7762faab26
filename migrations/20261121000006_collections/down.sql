DROP TABLE collection_movies;
DROP TABLE collections;
DROP TABLE movies;
