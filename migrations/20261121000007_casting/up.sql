-- A casting agency's actors and movies. Their ids are small numbers, as the contract has them; the UUID is for us.
-- "A movie is never without an actor" is held here, whoever writes.

CREATE TABLE casting_actors (
    id uuid PRIMARY KEY,
    number integer NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT casting_actors_number_key UNIQUE,
    name text NOT NULL,
    age integer NOT NULL CONSTRAINT casting_actors_age_range CHECK (age BETWEEN 0 AND 150),
    gender text NOT NULL CONSTRAINT casting_actors_gender_known CHECK (gender IN ('M', 'F')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE casting_movies (
    id uuid PRIMARY KEY,
    number integer NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT casting_movies_number_key UNIQUE,
    title text NOT NULL,
    date_release date NOT NULL,
    -- The same film in the player. No ON DELETE: a file that is referred to cannot go.
    file_id uuid CONSTRAINT casting_movies_file_id_fkey REFERENCES files,
    -- The same film in collections, whether one holds it now or not.
    movie_uuid uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX casting_movies_file_id_idx ON casting_movies (file_id) WHERE file_id IS NOT NULL;

CREATE TABLE casting_roles (
    movie_number integer NOT NULL
        CONSTRAINT casting_roles_movie_number_fkey REFERENCES casting_movies (number) ON DELETE CASCADE,
    actor_number integer NOT NULL
        CONSTRAINT casting_roles_actor_number_fkey REFERENCES casting_actors (number) ON DELETE CASCADE,
    PRIMARY KEY (movie_number, actor_number)
);
CREATE INDEX casting_roles_actor_number_idx ON casting_roles (actor_number, movie_number);

-- Asked at the end of a transaction. The movie's row is written first: of two transactions that take away one
-- actor each, the second waits for the first, and then sees what it left; or, at a level of isolation where it
-- cannot see that, fails (a lock alone would let it pass). Once is enough for a transaction. The lock is the weakest
-- of a writer: whoever holds the row, or refers to it, in the order of `db::queries::casting` waits for nobody here.
CREATE FUNCTION keep_an_actor() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    movie integer;
BEGIN
    IF TG_TABLE_NAME = 'casting_movies' THEN
        movie := NEW.number;
    ELSE
        movie := OLD.movie_number;
    END IF;
    UPDATE casting_movies SET updated_at = updated_at WHERE number = movie AND xmin <> pg_current_xact_id()::xid;
    IF EXISTS (SELECT 1 FROM casting_movies WHERE number = movie) AND NOT EXISTS (SELECT 1 FROM casting_roles WHERE movie_number = movie) THEN
        RAISE EXCEPTION 'a movie would be without an actor'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'casting_movies_have_an_actor', TABLE = 'casting_movies';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER casting_movies_have_an_actor AFTER INSERT ON casting_movies
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keep_an_actor();
CREATE CONSTRAINT TRIGGER casting_roles_leave_an_actor AFTER DELETE OR UPDATE OF movie_number ON casting_roles
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keep_an_actor();
