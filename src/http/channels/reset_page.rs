//! The page behind the link of a mail: a person sets a new password.

use std::sync::LazyLock;

use actix_web::{HttpResponse, http::header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("reset.html");

/// Only the page's own script and style run, and the script talks to this server only (CSP Level 3, §2.3.1).
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let (script, style) = (source_of("script"), source_of("style"));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; form-action 'none'; \
        base-uri 'none'; frame-ancestors 'none'"
    )
});

/// The digest of what stands in the one element of this name.
fn source_of(element: &str) -> String {
    let begin = PAGE.split_once(&format!("<{element}>")).map_or("", |(_, rest)| rest);
    let content = begin.split_once(&format!("</{element}>")).map_or("", |(content, _)| content);
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content.as_bytes())))
}

/// The page.
pub(super) fn answer() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .body(PAGE)
}
