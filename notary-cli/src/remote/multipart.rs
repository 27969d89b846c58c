//! The body of a publish. It is written here in one piece, since the form of the HTTP library puts
//! each part around all parts before it: with the thousands of files of a division into bins that
//! takes longer than any server waits.

use std::sync::Arc;

use notary_schema::key::sha256_hex;
use notary_schema::name::RoleName;

/// The media type, which names the boundary, and the body.
pub(super) fn encode(files: &[(RoleName, Arc<[u8]>)]) -> (String, Vec<u8>) {
    let boundary = boundary(files);
    let length = files.iter().map(|(role, file)| role.as_str().len() + file.len() + 256).sum();
    let mut body = Vec::with_capacity(length);
    for (role, file) in files {
        // In a quoted string (RFC 9110, 5.6.4) these two are escaped; a role has no control
        // characters.
        let role = role.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; \
             filename=\"{role}\"\r\nContent-Type: application/json\r\n\r\n"
        );
        body.extend(head.as_bytes());
        body.extend_from_slice(file);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// A hash of all files, which none of them can hold on purpose.
fn boundary(files: &[(RoleName, Arc<[u8]>)]) -> String {
    let hashes: String = files.iter().map(|(_, file)| sha256_hex(file)).collect();
    format!("notary-{}", sha256_hex(hashes.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_a_part_named_after_its_role() {
        let file = |role: &str, file: &str| {
            (RoleName::parse(role).unwrap(), Arc::<[u8]>::from(file.as_bytes()))
        };
        let (kind, body) = encode(&[file("docs", "{\"a\":1}"), file("a\"b\\c", "{}")]);
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let body = String::from_utf8(body).unwrap().replace(boundary, "BOUNDARY");
        let part = |role: &str, file: &str| {
            format!(
                "--BOUNDARY\r\nContent-Disposition: form-data; name=\"files\"; \
                 filename=\"{role}\"\r\nContent-Type: application/json\r\n\r\n{file}\r\n"
            )
        };
        let wanted = part("docs", "{\"a\":1}") + &part("a\\\"b\\\\c", "{}") + "--BOUNDARY--\r\n";
        assert_eq!(body, wanted);
    }
}
