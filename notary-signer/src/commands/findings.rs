//! What a command that looks at things has found.

use serde::Serialize;

use super::Output;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Wrong,
}

#[derive(Debug, Serialize)]
pub(super) struct Finding {
    what: &'static str,
    status: Status,
    detail: String,
}

impl Finding {
    pub(super) fn ok(what: &'static str, detail: impl ToString) -> Finding {
        Finding { what, status: Status::Ok, detail: detail.to_string() }
    }

    pub(super) fn warning(what: &'static str, detail: impl ToString) -> Finding {
        Finding { what, status: Status::Warning, detail: detail.to_string() }
    }

    pub(super) fn wrong(what: &'static str, detail: impl ToString) -> Finding {
        Finding { what, status: Status::Wrong, detail: detail.to_string() }
    }

    fn line(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Wrong => "wrong",
        };
        format!("{status:<8}{}: {}", self.what, self.detail)
    }
}

/// All findings; none of them may be wrong.
pub(super) fn report(findings: &[Finding], json: bool) -> Output {
    let good = findings.iter().all(|finding| finding.status != Status::Wrong);
    if json {
        return Output::json(&serde_json::json!({ "ok": good, "findings": findings }), good);
    }
    Output::lines(findings.iter().map(Finding::line), good)
}
