//! People with accounts.

use serde_json::json;
use uuid::Uuid;

use super::app::{Answer, App};

pub const PASSWORD: &str = "correct horse battery";

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    pub email: String,
    pub token: String,
    pub refresh_token: String,
}

impl App {
    /// Registers somebody with a fresh address; the first one of a database is its owner.
    pub async fn register(&self) -> Person {
        let email = format!("{}@example.org", Uuid::new_v4().simple());
        let body = json!({"first_name": "Ann", "last_name": "Lee", "email": email, "password": PASSWORD});
        let id = self.post_open("/users/registration", body).await.id();
        self.sign_in(&id, &email, PASSWORD).await
    }

    /// Signs somebody in.
    pub async fn sign_in(&self, id: &str, email: &str, password: &str) -> Person {
        let data = self.login(email, password).await.data(200);
        Person {
            id: id.to_owned(),
            email: email.to_owned(),
            token: data["token"].as_str().expect("a token").to_owned(),
            refresh_token: data["refresh_token"].as_str().expect("a refresh token").to_owned(),
        }
    }

    pub async fn login(&self, email: &str, password: &str) -> Answer {
        self.post_open("/users/login", json!({"email": email, "password": password})).await
    }

    /// A key that `maker` makes for these permissions: its id, and its bearer.
    pub async fn key_of(&self, maker: &Person, permissions: &[&str]) -> (String, Person) {
        let made = self.post("/keys", maker, json!({"name": "a program", "permissions": permissions})).await.data(201);
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        (text("id"), Person { token: text("key"), refresh_token: String::new(), ..maker.clone() })
    }

    /// Registers somebody and lets `owner` give them these roles.
    pub async fn register_as(&self, owner: &Person, roles: &[&str]) -> Person {
        let person = self.register().await;
        self.patch(&format!("/users/{}", person.id), owner, json!({"roles": roles})).await.data(200);
        self.sign_in(&person.id, &person.email, PASSWORD).await
    }

    /// An owner, an editor and two viewers.
    pub async fn people(&self) -> People {
        let owner = self.register().await;
        let editor = self.register_as(&owner, &["editor"]).await;
        let viewer = self.register().await;
        let other = self.register().await;
        People { owner, editor, viewer, other }
    }
}

/// One of each role, and another viewer.
#[derive(Debug, Clone)]
pub struct People {
    pub owner: Person,
    pub editor: Person,
    pub viewer: Person,
    pub other: Person,
}
