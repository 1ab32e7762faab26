//! Routes: method, path, handler, what the caller must be, and the text of the API description,
//! declared in one place, so that the router and the description cannot disagree.

use std::{future::Future, panic::AssertUnwindSafe, rc::Rc};

use actix_web::{FromRequest, HttpRequest, HttpResponse, Resource, Route, dev::Payload, guard, http::Method, web};
use futures_util::FutureExt as _;

use super::{
    access::{Access, Needs},
    contract::Contract,
    error::ApiError,
    openapi::Doc,
};

/// A handler: an async function whose first parameter is its [`Access`].
pub trait Endpoint<Args>: Clone + 'static {
    /// What the caller must be.
    type Access: Access;

    /// Checks the caller, then reads the rest of the request, then runs.
    fn call(
        self,
        request: HttpRequest,
        payload: Payload,
    ) -> impl Future<Output = Result<HttpResponse, actix_web::Error>>;
}

macro_rules! endpoints {
    ($($($arg:ident)*;)+) => {$(
        impl<F, Fut, A, $($arg,)*> Endpoint<(A, $($arg,)*)> for F
        where
            F: Fn(A, $($arg,)*) -> Fut + Clone + 'static,
            Fut: Future<Output = Result<HttpResponse, ApiError>>,
            A: Access,
            $($arg: FromRequest,)*
        {
            type Access = A;

            #[allow(unused_mut, unused_variables, non_snake_case, reason = "depends on the number of parameters")]
            async fn call(self, request: HttpRequest, mut payload: Payload) -> Result<HttpResponse, actix_web::Error> {
                let access = A::check(&request).await?;
                $(let $arg = $arg::from_request(&request, &mut payload).await.map_err(Into::into)?;)*
                Ok(self(access, $($arg,)*).await?)
            }
        }
    )+};
}

endpoints! {
    ;
    B;
    B C;
    B C D;
    B C D E;
}

/// One operation.
pub struct Operation {
    /// The method; a GET answers HEAD too.
    pub method: Method,
    /// The path, `{name}` for a variable segment, without a trailing slash.
    pub path: &'static str,
    /// What the caller must be.
    pub needs: Needs,
    /// Its description.
    pub doc: Doc,
    /// The size of the future of the access, the extractors and the handler. It is allocated and copied for each
    /// request, however little of it that needs: work that is seldom done is boxed where it begins.
    #[cfg(test)]
    pub future_bytes: usize,
    route: Rc<dyn Fn() -> Route>,
}

/// The operations of a contract.
pub struct Routes {
    /// The contract.
    pub contract: Contract,
    /// In the order in which they were declared.
    pub operations: Vec<Operation>,
}

impl Routes {
    /// None yet.
    #[must_use]
    pub const fn new(contract: Contract) -> Self {
        Self { contract, operations: Vec::new() }
    }

    /// Adds an operation.
    #[must_use]
    pub fn add<E, Args>(mut self, method: Method, path: &'static str, endpoint: E, doc: Doc) -> Self
    where
        E: Endpoint<Args>,
        Args: 'static,
    {
        let guarding = method.clone();
        let route = Rc::new(move || {
            let endpoint = endpoint.clone();
            let route = web::route().to(move |request: HttpRequest, payload: web::Payload| {
                behind_wall(endpoint.clone().call(request, payload.into_inner()))
            });
            if guarding == Method::GET {
                route.guard(guard::Any(guard::Get()).or(guard::Head()))
            } else {
                route.method(guarding.clone())
            }
        });
        self.operations.push(Operation {
            method,
            path,
            needs: E::Access::NEEDS,
            doc,
            #[cfg(test)]
            future_bytes: size_of_answer(E::call),
            route,
        });
        self
    }

    /// Adds a GET.
    #[must_use]
    pub fn get<E: Endpoint<Args>, Args: 'static>(self, path: &'static str, endpoint: E, doc: Doc) -> Self {
        self.add(Method::GET, path, endpoint, doc)
    }

    /// Adds a POST.
    #[must_use]
    pub fn post<E: Endpoint<Args>, Args: 'static>(self, path: &'static str, endpoint: E, doc: Doc) -> Self {
        self.add(Method::POST, path, endpoint, doc)
    }

    /// Adds a PATCH.
    #[must_use]
    pub fn patch<E: Endpoint<Args>, Args: 'static>(self, path: &'static str, endpoint: E, doc: Doc) -> Self {
        self.add(Method::PATCH, path, endpoint, doc)
    }

    /// Adds a PUT.
    #[must_use]
    pub fn put<E: Endpoint<Args>, Args: 'static>(self, path: &'static str, endpoint: E, doc: Doc) -> Self {
        self.add(Method::PUT, path, endpoint, doc)
    }

    /// Adds a DELETE.
    #[must_use]
    pub fn delete<E: Endpoint<Args>, Args: 'static>(self, path: &'static str, endpoint: E, doc: Doc) -> Self {
        self.add(Method::DELETE, path, endpoint, doc)
    }
}

#[cfg(test)]
fn size_of_answer<E, Answer>(_: fn(E, HttpRequest, Payload) -> Answer) -> usize {
    size_of::<Answer>()
}

/// A panic in a handler costs its own request, not the thread's others.
fn behind_wall(
    answer: impl Future<Output = Result<HttpResponse, actix_web::Error>>,
) -> impl Future<Output = Result<HttpResponse, actix_web::Error>> {
    AssertUnwindSafe(answer)
        .catch_unwind()
        .map(|answered| answered.unwrap_or_else(|_| Err(ApiError::Fault("a handler panicked".into()).into())))
}

/// Registers the operations of all contracts, by first segment: matching walks the few operations
/// below that segment, not all of them.
pub fn register(config: &mut web::ServiceConfig, contracts: &[Routes]) {
    let operations: Vec<&Operation> = contracts.iter().flat_map(|contract| &contract.operations).collect();
    let mut segments: Vec<&str> = Vec::new();
    for segment in operations.iter().map(|operation| first_segment(operation.path)) {
        if !segments.contains(&segment) {
            segments.push(segment);
        }
    }
    for segment in segments {
        let below: Vec<&&Operation> =
            operations.iter().filter(|operation| first_segment(operation.path) == segment).collect();
        let mut paths: Vec<&'static str> = Vec::new();
        for path in below.iter().map(|operation| operation.path) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        // A fixed segment wins over a variable one.
        paths.sort_by_key(|path| path.matches('{').count());
        let mut scope = web::scope(segment).default_service(web::to(no_such_path));
        for path in paths {
            let below_segment = path.get(segment.len()..).unwrap_or_default();
            // Two resources: one with both spellings is matched by a set of regular expressions.
            for below_segment in [below_segment.to_owned(), format!("{below_segment}/")] {
                let operations = below.iter().filter(|operation| operation.path == path).map(|operation| **operation);
                scope = scope.service(resource(&below_segment, operations));
            }
        }
        config.service(scope);
    }
}

fn resource<'a>(below: &str, operations: impl Iterator<Item = &'a Operation>) -> Resource {
    let mut resource = web::resource(below);
    let mut allowed: Vec<Method> = Vec::new();
    for operation in operations {
        resource = resource.route((operation.route)());
        allowed.push(operation.method.clone());
        if operation.method == Method::GET {
            allowed.push(Method::HEAD);
        }
    }
    resource.default_service(web::to(move || {
        let allowed = allowed.clone();
        async move { Err::<HttpResponse, _>(ApiError::MethodNotAllowed(allowed)) }
    }))
}

/// `/series/{id}` → `/series`.
#[must_use]
pub fn first_segment(path: &str) -> &str {
    let end = path.get(1..).and_then(|rest| rest.find('/')).map_or(path.len(), |at| at + 1);
    path.get(..end).unwrap_or(path)
}

/// The answer below the root where nothing is.
///
/// # Errors
/// Always: 404.
pub async fn no_such_path() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound("No such path".to_owned()))
}
