//! Swagger UI at `/api-docs`: its files are inside the binary, nothing comes from a CDN.

use actix_web::{
    HttpRequest, HttpResponse,
    guard::{self, Guard},
    http::{Method, header},
    web::{self, Redirect},
};

use crate::http::error::ApiError;

/// Scripts and styles of the page come from this server; Swagger UI writes styles into the page and
/// shows icons as data.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    frame-ancestors 'none'";

pub(super) fn configure(config: &mut web::ServiceConfig) {
    let folder = web::resource("").route(web::route().guard(reading()).to(redirect));
    let files =
        web::resource("/{file:[a-z_.0-9-]*\\.(?:html|js|css|png)|}").route(web::route().guard(reading()).to(file));
    // A scope, because its prefix is compared and not matched by a regular expression, and every request
    // passes here. The description itself is an operation like others.
    let scope = web::scope("/api-docs")
        .guard(guard::fn_guard(|context| !context.head().uri.path().starts_with("/api-docs/openapi.json")))
        .service(folder.default_service(web::to(only_get)))
        .service(files.default_service(web::to(only_get)));
    config.service(scope);
}

fn reading() -> impl Guard {
    guard::Any(guard::Get()).or(guard::Head())
}

async fn only_get() -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed(vec![Method::GET, Method::HEAD]))
}

async fn redirect() -> Redirect {
    Redirect::to("/api-docs/").see_other()
}

async fn file(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let name = request.match_info().get("file").unwrap_or_default();
    let name = if name.is_empty() { "index.html" } else { name };
    let config = utoipa_swagger_ui::Config::new(["/api-docs/openapi.json"]).validator_url("none");
    match utoipa_swagger_ui::serve(name, std::sync::Arc::new(config)) {
        Ok(Some(file)) => Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            .content_type(file.content_type)
            .body(file.bytes.into_owned())),
        Ok(None) => Err(ApiError::NotFound("No such path".to_owned())),
        Err(error) => Err(ApiError::Fault(error.to_string().into())),
    }
}
