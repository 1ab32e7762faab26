//! Steps of the casting contract: who works there, actors, movies.

use serde_json::{Value, json};

use super::{
    app::{Answer, App},
    media::mp4,
    people::Person,
};

/// One of each role of the casting agency, and no other role.
#[derive(Debug, Clone)]
pub struct Agency {
    pub assistant: Person,
    pub director: Person,
    pub producer: Person,
}

/// A movie with two actors and a film.
#[derive(Debug, Clone)]
pub struct Cast {
    pub actor: i64,
    pub lead: i64,
    pub movie: i64,
    /// An upload of who made it.
    pub file: String,
}

impl Answer {
    /// The whole answer, which must have this status and say whether it is a success.
    #[track_caller]
    pub fn casting(&self, status: u16) -> Value {
        let json = self.json();
        assert_eq!((self.status, &json["success"]), (status, &json!(status == 200)), "{}: {json}", self.path);
        assert!(self.headers.is_empty() || self.header("content-type") == Some("application/json"), "{}", self.path);
        json
    }

    /// That it is exactly the refusal of this status.
    #[track_caller]
    pub fn refused(&self, status: u16) {
        let message = match status {
            400 => "bad request",
            401 => "unauthorized",
            404 => "resource not found",
            405 => "method not allowed",
            413 => "payload too large",
            422 => "unprocessable",
            503 => "service unavailable",
            other => panic!("{other}"),
        };
        let wanted = json!({"success": false, "error": status, "message": message});
        assert_eq!((self.status, self.json()), (status, wanted), "{}", self.path);
    }

    /// The id in the answer to a creation, a change or a removal.
    #[track_caller]
    pub fn number(&self) -> i64 {
        let json = self.casting(200);
        let (name, other) =
            if self.path.contains("/movies") { ("movie_id", "actor_id") } else { ("actor_id", "movie_id") };
        assert!(json.get(other).is_none(), "{json}");
        json[name].as_i64().unwrap_or_else(|| panic!("no id: {json}"))
    }
}

impl App {
    pub async fn agency(&self, owner: &Person) -> Agency {
        Agency {
            assistant: self.register_as(owner, &["casting_assistant"]).await,
            director: self.register_as(owner, &["casting_director"]).await,
            producer: self.register_as(owner, &["executive_producer"]).await,
        }
    }

    /// An actor of this name.
    pub async fn actor(&self, person: &Person, name: &str) -> i64 {
        self.post("/casting/actors", person, json!({"name": name, "age": 23, "gender": "M"})).await.number()
    }

    /// A movie of this title with these actors.
    pub async fn movie(&self, person: &Person, title: &str, actors: &[i64]) -> i64 {
        let body = json!({"title": title, "date_release": "20200330", "actors_id": actors});
        self.post("/casting/movies", person, body).await.number()
    }

    pub async fn cast(&self, owner: &Person) -> Cast {
        let (actor, lead) = (self.actor(owner, "Peter").await, self.actor(owner, "Ingrid").await);
        let file = self.upload(owner, "film.mp4", mp4().to_vec()).await.id();
        let body = json!({"title": "Genesis", "date_release": "20200330", "actors_id": [actor, lead], "file_id": file});
        let movie = self.post("/casting/movies", owner, body).await.number();
        Cast { actor, lead, movie, file }
    }
}
