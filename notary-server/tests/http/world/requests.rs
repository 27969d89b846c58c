//! Requests, and what has to be true of every answer.

use notary_schema::name::Gun;
use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part as FormPart};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::World;
use crate::documented;
use crate::repo::{Part, Repo};

/// An answer with its body read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The status and, of a problem, its code.
    pub fn outcome(&self) -> (u16, String) {
        let code = match self.status.is_success() || self.status.as_u16() == 304 {
            true => String::new(),
            false => self.json()["code"].as_str().unwrap_or_default().to_owned(),
        };
        (self.status.as_u16(), code)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    /// Every answer is one that the OpenAPI document tells of. Every error is a problem with a code, a
    /// sentence and a request id; `/readyz` says in its own words why it is not ready.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        edit: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) -> Answer {
        let is_head = method == Method::HEAD;
        let request = self.http.request(method.clone(), format!("{}{path}", self.base));
        let response = edit(request).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await.unwrap().to_vec();
        let answer = Answer { status, headers, bytes };
        documented::require(&method, path, &answer);
        if status.as_u16() >= 400 && !is_head && path != "/readyz" {
            assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
            let problem = answer.json();
            assert_eq!(problem["status"], status.as_u16());
            for member in ["code", "title", "detail", "request_id"] {
                assert!(!problem[member].as_str().unwrap().is_empty(), "{member} of {problem}");
            }
        }
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, |request| request).await
    }

    pub async fn post(&self, path: &str, token: &str) -> Answer {
        self.request(Method::POST, path, |request| request.bearer_auth(token)).await
    }

    pub async fn get_as(&self, path: &str, token: &str) -> Answer {
        self.request(Method::GET, path, |request| request.bearer_auth(token)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.request(Method::DELETE, path, |request| request.bearer_auth(token)).await
    }

    /// A request with a JSON document.
    pub async fn send_json(&self, method: Method, path: &str, token: &str, body: &Value) -> Answer {
        self.request(method, path, |request| request.bearer_auth(token).json(body)).await
    }

    /// A publish with a token and a query of its own.
    pub async fn send(&self, gun: &Gun, query: &str, token: &str, parts: &[Part]) -> Answer {
        let part = |form: Form, (name, bytes): &Part| {
            form.part("files", FormPart::bytes(bytes.clone()).file_name(name.clone()))
        };
        let form = parts.iter().fold(Form::new(), part);
        let path = format!("/v2/{gun}/_trust/tuf/{query}");
        self.request(Method::POST, &path, |r| r.bearer_auth(token).multipart(form)).await
    }

    pub async fn publish(&self, repo: &Repo, parts: &[Part]) -> Answer {
        self.send(&repo.gun, "", &self.admin, parts).await
    }
}
