//! Who may call: the first parameter of every handler. A handler without one cannot be routed.

use std::{future::Future, marker::PhantomData};

use actix_web::{HttpRequest, http::header};

use super::{
    State,
    contract::{Contract, TokenForm},
    error::ApiError,
};
use crate::{
    actors::{auth::Caller, playback::Viewer},
    domain::access::Permission,
};

/// What a route asks of its caller; shown in the API description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: anyone may call.
    Nothing,
    /// Nothing; but a token that is sent must be valid, and an API key have this permission.
    AccountIfAny(Permission),
    /// A valid token.
    Account,
    /// A person's valid token; an API key will not do.
    Person,
    /// A person's valid token, or an API key with this permission.
    PersonOr(Permission),
    /// A valid token with this permission.
    Permission(Permission),
    /// A valid token with one of these permissions.
    Either(Permission, Permission),
}

/// Proof that a caller may; made from the request before anything else of it is read.
pub trait Access: Sized + 'static {
    /// What it proves.
    const NEEDS: Needs;

    /// Checks the request.
    fn check(request: &HttpRequest) -> impl Future<Output = Result<Self, ApiError>>;
}

/// Anyone may call.
#[derive(Debug, Clone, Copy)]
pub struct Open;

/// Anyone may call; who sends a token calls as its account, for which an API key needs the permission `P`.
#[derive(Debug, Clone)]
pub struct Anyone<P> {
    /// The caller, who has sent a token.
    pub caller: Option<Caller>,
    permission: PhantomData<P>,
}

/// The caller has an account, and reads what any account may: so may every API key.
#[derive(Debug, Clone)]
pub struct SignedIn(pub Caller);

/// The caller is a person with an account: what API keys never do.
#[derive(Debug, Clone)]
pub struct InPerson(pub Caller);

/// The caller is a person with an account, or an API key with the permission `P`.
#[derive(Debug, Clone)]
pub struct InPersonOr<P> {
    /// The caller.
    pub caller: Caller,
    permission: PhantomData<P>,
}

/// The caller has the permission `P`.
#[derive(Debug, Clone)]
pub struct Allowed<P> {
    /// The caller.
    pub caller: Caller,
    permission: PhantomData<P>,
}

/// The caller has the permission `P`, or `Q`, or both.
#[derive(Debug, Clone)]
pub struct AllowedEither<P, Q> {
    /// The caller.
    pub caller: Caller,
    permissions: PhantomData<(P, Q)>,
}

/// A permission as a type.
pub trait Permit: 'static {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! permits {
    ($($name:ident),+) => {$(
        #[doc = concat!("[`Permission::", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Permit for $name {
            const PERMISSION: Permission = Permission::$name;
        }
    )+};
}

permits!(
    ViewCatalogue,
    EditCatalogue,
    UseStreams,
    UseChannels,
    UseCollections,
    UseImages,
    UploadFiles,
    ManageUsers,
    OperateServer,
    ViewActors,
    ViewMovies,
    CreateActors,
    DeleteActors,
    ModifyActors,
    ModifyMovies,
    CreateMovies,
    DeleteMovies
);

impl Access for Open {
    const NEEDS: Needs = Needs::Nothing;

    async fn check(_: &HttpRequest) -> Result<Self, ApiError> {
        Ok(Self)
    }
}

impl<P: Permit> Access for Anyone<P> {
    const NEEDS: Needs = Needs::AccountIfAny(P::PERMISSION);

    async fn check(request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = if request.headers().contains_key(header::AUTHORIZATION) {
            Some(in_person_or(caller(request).await?, P::PERMISSION)?)
        } else {
            None
        };
        Ok(Self { caller, permission: PhantomData })
    }
}

impl Access for InPerson {
    const NEEDS: Needs = Needs::Person;

    async fn check(request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = caller(request).await?;
        if caller.is_person() { Ok(Self(caller)) } else { Err(ApiError::forbidden()) }
    }
}

impl<P: Permit> Access for InPersonOr<P> {
    const NEEDS: Needs = Needs::PersonOr(P::PERMISSION);

    async fn check(request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = in_person_or(caller(request).await?, P::PERMISSION)?;
        Ok(Self { caller, permission: PhantomData })
    }
}

fn in_person_or(caller: Caller, permission: Permission) -> Result<Caller, ApiError> {
    if caller.is_person() || caller.may(permission) { Ok(caller) } else { Err(ApiError::forbidden()) }
}

impl Access for SignedIn {
    const NEEDS: Needs = Needs::Account;

    async fn check(request: &HttpRequest) -> Result<Self, ApiError> {
        caller(request).await.map(Self)
    }
}

impl<P: Permit> Access for Allowed<P> {
    const NEEDS: Needs = Needs::Permission(P::PERMISSION);

    async fn check(request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = caller(request).await?;
        if caller.may(P::PERMISSION) {
            Ok(Self { caller, permission: PhantomData })
        } else {
            Err(ApiError::forbidden())
        }
    }
}

impl<P: Permit, Q: Permit> Access for AllowedEither<P, Q> {
    const NEEDS: Needs = Needs::Either(P::PERMISSION, Q::PERMISSION);

    async fn check(request: &HttpRequest) -> Result<Self, ApiError> {
        let caller = caller(request).await?;
        if caller.may(P::PERMISSION) || caller.may(Q::PERMISSION) {
            Ok(Self { caller, permissions: PhantomData })
        } else {
            Err(ApiError::forbidden())
        }
    }
}

impl<P> Allowed<P> {
    /// On whose behalf streams are seen: an owner's eyes see all.
    #[must_use]
    pub fn viewer(&self) -> Viewer {
        Viewer::of(&self.caller)
    }
}

/// `Authorization: Bearer <token>` (RFC 6750 §2.1); the scheme's case does not matter. Some contracts
/// take the bare token too.
async fn caller(request: &HttpRequest) -> Result<Caller, ApiError> {
    let header = request.headers().get(header::AUTHORIZATION).ok_or(ApiError::NoToken)?;
    // As `to_str`, which looks at one byte after the other: tokens are long, and most requests have one.
    let text = std::str::from_utf8(header.as_bytes()).ok().filter(|text| text.is_ascii());
    let text = text.ok_or(ApiError::MalformedToken)?.trim();
    let token = match text.split_once(' ') {
        // The scheme with nothing behind it brings no token either.
        None if text.is_empty() || text.eq_ignore_ascii_case("bearer") => return Err(ApiError::NoToken),
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        None if takes_bare(request) => text,
        _ => return Err(ApiError::MalformedToken),
    };
    State::of(request)?.auth.authenticate(token).await.map_err(ApiError::from)
}

fn takes_bare(request: &HttpRequest) -> bool {
    Contract::of(request).is_some_and(|contract| contract.token_form() == TokenForm::BearerOrBare)
}
