//! What a failed call of KMS says: about the network, the account, or the key.

use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};

use super::super::Trouble;
use super::address::NOT_ONE;

pub(super) const ACCESS_DENIED: &str = "AccessDeniedException";

/// `what` is the key that the call was about.
pub(super) fn trouble<E>(what: &str, error: &SdkError<E>) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(refused) if refused.raw().status().is_server_error() => {
            Trouble::Unreachable(whole(error))
        }
        SdkError::ServiceError(_) => {
            let message = error.message().unwrap_or("no reason is given");
            of_code(what, error.code().unwrap_or("no code"), message)
        }
        SdkError::ConstructionFailure(_) => Trouble::NotSupported(whole(error)),
        SdkError::ResponseError(_) => Trouble::WrongAnswer(whole(error)),
        // Credentials are looked for while a call is sent: none of them is no connection, either.
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            Trouble::Unreachable(whole(error))
        }
        SdkError::DispatchFailure(_) if whole(error).contains(NOT_ONE) => {
            Trouble::NotSupported(whole(error))
        }
        SdkError::DispatchFailure(_) if whole(error).contains("credential") => {
            Trouble::NotLetIn(whole(error))
        }
        _ => Trouble::Unreachable(whole(error)),
    }
}

fn of_code(what: &str, code: &str, message: &str) -> Trouble {
    let about_key = format!("{what}: {code}: {message}");
    let about_account = format!("{code}: {message}");
    match code {
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => Trouble::Throttled(about_account),
        "NotFoundException" | "InvalidArnException" => Trouble::NoSuchKey(about_key),
        "DisabledException"
        | "KMSInvalidStateException"
        | "InvalidKeyUsageException"
        | "IncorrectKeyException"
        | "InvalidCiphertextException"
        | "KeyUnavailableException"
        // As often a right on this key as one of the whole account, and others may go on.
        | ACCESS_DENIED => Trouble::KeyUnusable(about_key),
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "RequestExpired" => Trouble::NotLetIn(about_account),
        "UnsupportedOperationException" | "ValidationException" => Trouble::NotSupported(about_key),
        "KMSInternalException"
        | "DependencyTimeoutException"
        | "InternalFailure"
        | "InternalServerError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => Trouble::Unreachable(about_account),
        _ => Trouble::WrongAnswer(about_key),
    }
}

/// An error with everything below it, on one line; without the request, whose body may be the key of a
/// store.
fn whole(error: &(impl std::error::Error + 'static)) -> String {
    let below = std::iter::successors(error.source(), |error| error.source());
    let all = std::iter::once(error.to_string()).chain(below.map(ToString::to_string));
    let all = without_request(all.collect::<Vec<_>>().join(": "));
    // Where credentials are looked for, the places follow, each on a line of its own.
    let first = all.lines().next().unwrap_or_default();
    first.trim_end_matches(" Attempted:").trim_end_matches('.').to_owned()
}

/// The SDK tells of what it could not send with all that is in it.
fn without_request(mut text: String) -> String {
    const BEGIN: &str = "Request {";
    if let Some(begin) = text.find(BEGIN) {
        let end = text.rfind('}').map_or(text.len(), |end| end + 1);
        text.replace_range(begin..end.max(begin), "a request");
    }
    text
}
