//! What pages of other origins may ask for, and see of an answer (Fetch Standard, CORS protocol). Every origin may call;
//! credentials travel in the header, never in cookies.

use std::rc::Rc;

use actix_cors::{Cors, CorsError, CorsMiddleware};
use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
};
use futures_util::{
    TryFutureExt as _,
    future::{Either, LocalBoxFuture, MapOk},
};

use super::error::ApiError;

/// What a page may read of an answer's headers, beside what any page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "content-disposition, content-length, content-range, etag, link, location, retry-after, x-request-id",
);

/// The middleware for OPTIONS: a library answers preflights. Other methods pass beside it.
#[derive(Debug, Clone, Copy)]
pub struct Preflights;

/// [`Preflights`] around `S`.
pub struct BesidePreflights<S> {
    library: CorsMiddleware<Rc<S>>,
    service: Rc<S>,
}

impl<S, B> Transform<S, ServiceRequest> for Preflights
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = BesidePreflights<S>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let service = Rc::new(service);
        let library = Cors::default()
            .allow_any_origin()
            .send_wildcard()
            .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_any_header()
            // The answer does not depend on the origin.
            .disable_vary_header()
            .max_age(86400)
            .new_transform(Rc::clone(&service));
        Box::pin(async { Ok(BesidePreflights { library: library.await?, service }) })
    }
}

impl<S, B> Service<ServiceRequest> for BesidePreflights<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Either<
        LocalBoxFuture<'static, Result<Self::Response, Error>>,
        MapOk<S::Future, fn(ServiceResponse<B>) -> Self::Response>,
    >;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        if request.method() == Method::OPTIONS {
            Either::Left(self.library.call(request))
        } else {
            Either::Right(self.service.call(request).map_ok(ServiceResponse::map_into_left_body))
        }
    }
}

/// Lets any page read an answer with these headers. Answers to pages need it, and those that a browser may keep:
/// what it got for an element of one page, it may give to a script of another.
pub fn let_pages_read(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// What a preflight that is refused is told.
#[must_use]
pub fn refusal(error: &CorsError) -> ApiError {
    ApiError::BadRequest(
        match error {
            CorsError::MethodNotAllowed => "Access-Control-Request-Method names a method that no path has",
            CorsError::MissingRequestMethod | CorsError::BadRequestMethod => {
                "Access-Control-Request-Method must name a method"
            }
            CorsError::BadRequestHeaders => "Access-Control-Request-Headers must name headers",
            _ => "The preflight is malformed",
        }
        .to_owned(),
    )
}
