//! Accounts: registration, sign-in, and the accounts themselves.

use actix_web::{HttpRequest, HttpResponse};

use super::{
    bodies::{Login, Refresh, Registration, UserChangeBody},
    dto::{SignInDto, UserDto},
    resources::fresh_page,
};
use crate::{
    actors::auth::{AccessLife, AccountChange, LISTING, SignIn, text_of},
    domain::{account::User, ids::UserId},
    http::{
        State,
        access::{InPerson, InPersonOr, ManageUsers, Open, SignedIn},
        body::{Id, Json},
        client_address, envelope,
        error::ApiError,
        openapi::doc,
        query::ListQuery,
        routes::Routes,
    },
};

type Answer = Result<HttpResponse, ApiError>;

const TOO_MANY_TRIES: &str = "Too many wrong passwords; see Retry-After";

/// Public paths, and accounts.
pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/users/registration",
            register,
            doc("Make an account").takes::<Registration>().gives::<UserDto>().creates(),
        )
        .post(
            "/users/login",
            login,
            doc("Sign in").takes::<Login>().gives::<SignInDto>().refuses(&[
                (401, "An unknown name or a wrong password; says how many tries are left"),
                (429, TOO_MANY_TRIES),
            ]),
        )
        .post(
            "/users/refresh",
            refresh,
            doc("New tokens for a refresh token")
                .takes::<Refresh>()
                .gives::<SignInDto>()
                .refuses(&[(401, "The refresh token does not hold, or was used before, which ends its sign-in")]),
        )
        .post("/users/logout", logout, doc("End the sign-in that the token follows from"))
        .get("/users", list, doc("List one's own account; an owner, all").gives::<UserDto>().lists(&LISTING))
        .get(
            "/users/{id}",
            read,
            doc("Read one's own account; an owner, any")
                .gives::<UserDto>()
                .refuses(&[(403, "Another's account; the right is missing")]),
        )
        .get("/me", me, doc("Read one's own account").gives::<UserDto>())
        .patch(
            "/users/{id}",
            change,
            doc("Change one's own account; an owner, any, and roles")
                .takes::<UserChangeBody>()
                .gives::<UserDto>()
                .refuses(&[
                    (400, "Something sent is wrong, or the last owner would be none; the answer names it"),
                    (429, TOO_MANY_TRIES),
                ]),
        )
        .delete(
            "/users/{id}",
            remove,
            doc("Remove one's own account; an owner, any")
                .refuses(&[(400, "The id is none, or the account is the last owner's")]),
        )
}

async fn register(_: Open, state: State, Json(body): Json<Registration>) -> Answer {
    let user = state.auth.register(body.into()).await?;
    let location = format!("/users/{}", user.id);
    Ok(envelope::created("User created successfully", &location, UserDto::from(&user)))
}

async fn login(_: Open, state: State, request: HttpRequest, Json(body): Json<Login>) -> Answer {
    let address = client_address(&request, &state);
    let signed_in = state
        .auth
        .sign_in(SignIn { address, name: body.email, password: body.password, life: AccessLife::Short })
        .await?;
    Ok(envelope::ok("User logged in successfully", SignInDto::from(&signed_in)))
}

async fn refresh(_: Open, state: State, Json(body): Json<Refresh>) -> Answer {
    let signed_in = state.auth.refresh(text_of(&body.refresh_token)).await?;
    Ok(envelope::ok("Token refreshed successfully", SignInDto::from(&signed_in)))
}

async fn logout(InPerson(caller): InPerson, state: State) -> Answer {
    state.auth.sign_out(&caller).await?;
    Ok(envelope::done("User logged out successfully"))
}

async fn list(SignedIn(caller): SignedIn, state: State, query: ListQuery) -> Answer {
    let request = query.against(&LISTING)?;
    let page = state.auth.users(&caller, request.clone()).await?;
    Ok(fresh_page::<User, UserDto>(&query, &request, page, "Users fetched successfully"))
}

async fn read(SignedIn(caller): SignedIn, state: State, Id(id): Id<UserId>) -> Answer {
    let user = state.auth.user(&caller, id).await?;
    Ok(envelope::ok("User fetched successfully", UserDto::from(&user)))
}

async fn me(SignedIn(caller): SignedIn, state: State) -> Answer {
    let user = state.auth.user(&caller, caller.user_id).await?;
    Ok(envelope::ok("User fetched successfully", UserDto::from(&user)))
}

async fn change(
    InPersonOr { caller, .. }: InPersonOr<ManageUsers>,
    state: State,
    request: HttpRequest,
    Id(id): Id<UserId>,
    Json(body): Json<UserChangeBody>,
) -> Answer {
    let address = client_address(&request, &state);
    let (change, current_password) = body.into();
    let change = AccountChange { change, current_password, address };
    let user = state.auth.change_user(&caller, id, change).await?;
    Ok(envelope::ok("User updated successfully", UserDto::from(&user)))
}

async fn remove(InPersonOr { caller, .. }: InPersonOr<ManageUsers>, state: State, Id(id): Id<UserId>) -> Answer {
    state.auth.remove_user(&caller, id).await?;
    Ok(envelope::done("User deleted successfully"))
}
