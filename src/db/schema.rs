//! The tables as Diesel sees them. A test compares this file with a migrated database.

diesel::table! {
    api_keys (id) {
        id -> Uuid,
        user_id -> Uuid,
        name -> Text,
        secret_hash -> Bytea,
        permissions -> Array<Text>,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    casting_actors (id) {
        id -> Uuid,
        number -> Int4,
        name -> Text,
        age -> Int4,
        gender -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    casting_movies (id) {
        id -> Uuid,
        number -> Int4,
        title -> Text,
        date_release -> Date,
        file_id -> Nullable<Uuid>,
        movie_uuid -> Nullable<Uuid>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    casting_roles (movie_number, actor_number) {
        movie_number -> Int4,
        actor_number -> Int4,
    }
}

diesel::table! {
    channels (user_id) {
        user_id -> Uuid,
        name -> Text,
        picture_id -> Nullable<Uuid>,
        videos -> Int4,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    collection_movies (collection_id, movie_uuid) {
        collection_id -> Uuid,
        movie_uuid -> Uuid,
        position -> Int4,
    }
}

diesel::table! {
    collections (id) {
        id -> Uuid,
        user_id -> Uuid,
        title -> Text,
        description -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    episodes (id) {
        id -> Uuid,
        season_id -> Uuid,
        name -> Text,
        description -> Text,
        number -> Int4,
        image_id -> Nullable<Uuid>,
        file_id -> Nullable<Uuid>,
        duration_seconds -> Nullable<Float8>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    files (id) {
        id -> Uuid,
        original_name -> Text,
        kind -> Text,
        mime_type -> Text,
        size -> Int8,
        sha256 -> Text,
        owner_id -> Nullable<Uuid>,
        state -> Text,
        duration_seconds -> Nullable<Float8>,
        width -> Nullable<Int4>,
        height -> Nullable<Int4>,
        video_codec -> Nullable<Text>,
        audio_codec -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    genres (id) {
        id -> Uuid,
        name -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    genres_series (series_id, genre_id) {
        series_id -> Uuid,
        genre_id -> Uuid,
        position -> Int4,
    }
}

diesel::table! {
    identities (issuer, subject) {
        issuer -> Text,
        subject -> Text,
        user_id -> Nullable<Uuid>,
        valid_from -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    image_variants (file_id, width) {
        file_id -> Uuid,
        width -> Int4,
        variant_id -> Uuid,
    }
}

diesel::table! {
    images (file_id) {
        file_id -> Uuid,
        owner_id -> Uuid,
    }
}

diesel::table! {
    installation (id) {
        id -> Bool,
        owner_claimed -> Bool,
        maintenance -> Bool,
        maintenance_message -> Text,
    }
}

diesel::table! {
    last_views (title, viewer_id) {
        title -> Text,
        viewer_id -> Uuid,
        viewed_at -> Timestamptz,
    }
}

diesel::table! {
    movies (uuid) {
        uuid -> Uuid,
        title -> Text,
        description -> Text,
        genres -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    password_resets (digest) {
        digest -> Bytea,
        user_id -> Uuid,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    posters (file_id) {
        file_id -> Uuid,
        poster_id -> Uuid,
    }
}

diesel::table! {
    reactions (video_id, user_id) {
        video_id -> Uuid,
        user_id -> Uuid,
        kind -> Text,
    }
}

diesel::table! {
    seasons (id) {
        id -> Uuid,
        series_id -> Uuid,
        name -> Text,
        description -> Text,
        number -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    series (id) {
        id -> Uuid,
        name -> Text,
        description -> Text,
        trailer_id -> Nullable<Uuid>,
        image_id -> Nullable<Uuid>,
        rating -> Nullable<Float8>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    streams (id) {
        id -> Uuid,
        user_id -> Nullable<Uuid>,
        episode_id -> Nullable<Uuid>,
        position_seconds -> Float8,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        file_id -> Nullable<Uuid>,
        state -> Text,
        watched_ms -> Int8,
        beat_at -> Timestamptz,
    }
}

diesel::table! {
    token_families (id) {
        id -> Uuid,
        user_id -> Uuid,
        current_token -> Uuid,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    users (id) {
        id -> Uuid,
        username -> Nullable<Text>,
        email -> Nullable<Text>,
        first_name -> Text,
        middle_name -> Text,
        last_name -> Text,
        birth_date -> Nullable<Date>,
        password_hash -> Nullable<Text>,
        roles -> Array<Text>,
        epoch -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        disabled_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    videos (id) {
        id -> Uuid,
        hash -> Text,
        channel_id -> Uuid,
        title -> Text,
        description -> Text,
        file_id -> Nullable<Uuid>,
        thumbnail_id -> Nullable<Uuid>,
        likes -> Int4,
        dislikes -> Int4,
        created_at -> Timestamptz,
        uploaded_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    view_counts (kind, title, grain, begins_at) {
        kind -> Text,
        title -> Text,
        grain -> Text,
        begins_at -> Timestamptz,
        views -> Int8,
        watched_ms -> Int8,
        changed_in -> Int8,
    }
}

diesel::table! {
    views (stream_id) {
        stream_id -> Uuid,
        viewer_id -> Uuid,
        title -> Text,
        file -> Nullable<Text>,
        episode -> Nullable<Text>,
        series -> Nullable<Text>,
        video -> Nullable<Text>,
        viewed_at -> Timestamptz,
        changed_in -> Int8,
    }
}

diesel::table! {
    vocabulary (word) {
        word -> Text,
    }
}

diesel::joinable!(api_keys -> users (user_id));
diesel::joinable!(identities -> users (user_id));
diesel::joinable!(images -> files (file_id));
diesel::joinable!(images -> users (owner_id));
diesel::joinable!(genres_series -> genres (genre_id));
diesel::joinable!(genres_series -> series (series_id));
diesel::joinable!(seasons -> series (series_id));
diesel::joinable!(episodes -> seasons (season_id));
diesel::joinable!(streams -> episodes (episode_id));
diesel::joinable!(streams -> users (user_id));
diesel::joinable!(token_families -> users (user_id));
diesel::joinable!(videos -> channels (channel_id));
diesel::joinable!(reactions -> videos (video_id));

diesel::allow_tables_to_appear_in_same_query!(
    api_keys,
    casting_actors,
    casting_movies,
    casting_roles,
    channels,
    collection_movies,
    collections,
    episodes,
    files,
    genres,
    genres_series,
    identities,
    image_variants,
    images,
    installation,
    last_views,
    movies,
    password_resets,
    posters,
    reactions,
    seasons,
    series,
    streams,
    token_families,
    users,
    videos,
    view_counts,
    views,
    vocabulary,
);
