//! The pages of the description. They are no operations, so the table cannot have them; what holds for them is that
//! anyone may read them and nobody may do anything else, and that nothing else is there.

use reqwest::Method;

use super::{CALLERS, Things, caller};
use crate::support::{
    app::{Answer, App},
    stores::TestDb,
};

/// A path and what a GET answers to whoever sends it; other methods are refused where there is something.
const PAGES: &[(&str, u16)] = &[
    ("/api-docs", 303),
    ("/api-docs/", 200),
    ("/api-docs/index.html", 200),
    ("/api-docs/index.css", 200),
    ("/api-docs/swagger-ui.css", 200),
    ("/api-docs/swagger-ui.js", 200),
    ("/api-docs/swagger-ui-bundle.js", 200),
    ("/api-docs/swagger-ui-es-bundle.js", 200),
    ("/api-docs/swagger-ui-es-bundle-core.js", 200),
    ("/api-docs/swagger-ui-standalone-preset.js", 200),
    ("/api-docs/swagger-initializer.js", 200),
    ("/api-docs/favicon-16x16.png", 200),
    ("/api-docs/favicon-32x32.png", 200),
    ("/api-docs/oauth2-redirect.html", 200),
    ("/api-docs/oauth2-redirect.js", 200),
    ("/api-docs/nothing.html", 404),
    ("/api-docs/swagger-ui.js.map", 404),
    ("/api-docs/swagger-initializer", 404),
    ("/api-docs/index.html/x", 404),
    ("/api-docs/genres", 404),
    ("/api-docs/maintenance", 404),
    ("/api-docs/openapi", 404),
    ("/api-docs/openapi.yaml", 404),
    ("/api-docsx", 404),
];

/// Whether the path has the form of a file that may be there: other methods are refused before it is looked for.
fn has_form(path: &str) -> bool {
    ["html", "js", "css", "png"].iter().any(|kind| path.ends_with(&format!(".{kind}")))
}

#[actix_web::test]
async fn the_pages_of_the_description_answer_every_kind_of_caller_alike() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let agency = app.agency(&people.owner).await;
    let things = Things::make(&app, &people.owner).await;
    for (column, who) in CALLERS.iter().enumerate() {
        for (path, read) in PAGES {
            let caller = caller(&app, (&people, &agency), &things, (path, column)).await;
            let ask = async |method: Method| Answer::of(app.request(method, path, caller.as_ref())).await;
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(ask(method.clone()).await.status, *read, "{method} {path} by {who}");
            }
            let written = if *read < 400 || has_form(path) { 405 } else { 404 };
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let answer = ask(method.clone()).await;
                assert_eq!(answer.status, written, "{method} {path} by {who}");
                assert_eq!(answer.header("allow"), (written == 405).then_some("GET, HEAD"), "{method} {path}");
                answer.refusal();
            }
        }
    }
}
