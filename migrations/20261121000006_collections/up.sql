-- Lists of movies that people keep. A movie is shared by its uuid between all lists that hold it.

CREATE TABLE movies (
    -- Given by clients: the provider's.
    uuid uuid PRIMARY KEY,
    title text NOT NULL,
    description text NOT NULL,
    -- Comma-separated, in the spelling it came in.
    genres text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE collections (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT collections_user_id_fkey REFERENCES users ON DELETE CASCADE,
    title text NOT NULL,
    description text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX collections_user_id_idx ON collections (user_id, id);

CREATE TABLE collection_movies (
    collection_id uuid NOT NULL
        CONSTRAINT collection_movies_collection_id_fkey REFERENCES collections ON DELETE CASCADE,
    movie_uuid uuid NOT NULL CONSTRAINT collection_movies_movie_uuid_fkey REFERENCES movies,
    -- The order in which the movies were given.
    position integer NOT NULL,
    PRIMARY KEY (collection_id, movie_uuid)
);
CREATE INDEX collection_movies_movie_uuid_idx ON collection_movies (movie_uuid);
