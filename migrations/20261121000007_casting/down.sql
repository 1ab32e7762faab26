DROP TABLE casting_roles;
DROP TABLE casting_movies;
DROP TABLE casting_actors;
DROP FUNCTION keep_an_actor();
