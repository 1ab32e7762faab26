//! The one page that people look at, in a real browser.

use std::process::{Command, Stdio};

use crate::support::{app::App, stores::TestDb};

/// What Chromium shows of `url` once its scripts have run.
#[allow(clippy::disallowed_methods, reason = "a test looks at the page with a browser")]
fn shown(url: &str) -> String {
    let profile = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(uuid::Uuid::new_v4().simple().to_string());
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=20000", "--dump-dom", url])
        .stdin(Stdio::null())
        .output()
        .expect("chromium is installed by `make test`");
    drop(std::fs::remove_dir_all(profile));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a page in UTF-8")
}

#[actix_web::test]
async fn the_api_page_shows_every_path_in_a_browser() {
    let db = TestDb::create();
    let app = App::start(&db);
    let description: serde_json::Value =
        app.client.get(app.url("/api-docs/openapi.json")).send().await.unwrap().json().await.unwrap();
    let url = app.url("/api-docs");
    let page = actix_web::web::block(move || shown(&url)).await.unwrap();
    for path in description["paths"].as_object().unwrap().keys() {
        // The page breaks long paths with zero-width marks.
        let plain = page.replace('\u{200b}', "").replace("<wbr>", "");
        assert!(plain.contains(&format!("data-path=\"{path}\"")), "{path} is not shown");
    }
}
