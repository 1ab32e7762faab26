//! Files: uploads, and what is known of them. The bytes go out by the playback contract.

use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{dto::FileDto, resources::fresh_page};
use crate::{
    actors::files::{Arrival, LISTING, Reader},
    domain::{ids::FileId, media::StoredFile},
    http::{
        State,
        access::{Allowed, AllowedEither, UploadFiles, ViewCatalogue, ViewMovies},
        body::Id,
        envelope,
        error::ApiError,
        openapi::doc,
        query::ListQuery,
        routes::Routes,
        upload::{self, Parts},
    },
};

type Answer = Result<HttpResponse, ApiError>;

/// Uploads and their facts.
pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/files",
            create,
            doc("Upload a file").takes_file().gives::<FileDto>().creates().refuses(&[
                (413, "Too large, or over the account's quota"),
                (415, "No form, or a file whose bytes are of no accepted type"),
            ]),
        )
        .get("/files", list, doc("List the files one may see").gives::<FileDto>().lists(&LISTING))
        .get("/files/{id}", read, doc("Read what is known of a file").gives::<FileDto>())
        .delete(
            "/files/{id}",
            remove,
            doc("Remove a file that nothing refers to")
                .refuses(&[(400, "The id is none, or something still refers to the file; says what")]),
        )
}

async fn create(allowed: Allowed<UploadFiles>, state: State, request: HttpRequest, payload: web::Payload) -> Answer {
    upload::check_length(&request, state.files.limit())?;
    upload::check_form(&request)?;
    let body = Multipart::new(request.headers(), payload);
    let owner_id = allowed.caller.user_id;
    let incoming = state.files.receive(owner_id, upload::least_bytes(&request)).await?;
    let idle = Duration::from_millis(state.settings.http.upload_idle_timeout_ms);
    let uploaded = upload::receive(body, incoming, Parts::FileAndType, idle).await?;
    let original_name = upload::clean_name(uploaded.sent_name.as_deref());
    let arrival = Arrival { incoming: uploaded.incoming, owner_id, original_name };
    let file = state.files.accept(arrival).await?;
    let location = format!("/files/{}", file.id);
    Ok(envelope::created("File created successfully", &location, FileDto::from(&file)))
}

async fn list(allowed: Allowed<ViewCatalogue>, state: State, query: ListQuery) -> Answer {
    let request = query.against(&LISTING)?;
    let page = state.files.list(Reader::of(&allowed.caller), request.clone()).await?;
    Ok(fresh_page::<StoredFile, FileDto>(&query, &request, page, "Files fetched successfully"))
}

async fn read(allowed: AllowedEither<ViewCatalogue, ViewMovies>, state: State, Id(id): Id<FileId>) -> Answer {
    let file = state.files.one(Reader::of(&allowed.caller), id).await?;
    Ok(envelope::ok("File fetched successfully", FileDto::from(&file)))
}

async fn remove(_: Allowed<UploadFiles>, state: State, Id(id): Id<FileId>) -> Answer {
    state.files.remove(id).await?;
    Ok(envelope::done("File deleted successfully"))
}
