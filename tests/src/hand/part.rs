//! One file of a collection, from its document to its bytes.

use std::sync::Arc;

use notary_schema::json;
use serde_json::{Value, json};

use super::{EXPIRES, HandKey};

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Compact JSON with sorted keys, as our programs write.
    Compact,
    /// With white space; the signatures are over the canonical form all the same.
    Pretty,
    /// `signed` with white space, and the signatures over those raw bytes.
    PrettyAndSignedRaw,
    /// The canonical form itself, in which control characters stay raw.
    Canonical,
}

type SignatureEdit = Arc<dyn Fn(&mut Vec<Value>) + Send + Sync>;
type FileEdit = Arc<dyn Fn(String) -> String + Send + Sync>;

/// A document, who signs it, and the mistakes made on the way to the file.
#[derive(Clone)]
pub struct Part {
    /// What is signed.
    pub signed: Value,
    /// Who signs it.
    pub signers: Vec<HandKey>,
    /// How the file is laid out.
    pub layout: Layout,
    respelled: Vec<(String, String)>,
    signature_edits: Vec<SignatureEdit>,
    file_edits: Vec<FileEdit>,
}

impl Part {
    /// A document with the members that all roles have; version 1.
    pub(super) fn new(mut signed: Value) -> Part {
        signed["spec_version"] = json!("1.0.34");
        signed["version"] = json!(1);
        signed["expires"] = json!(EXPIRES);
        Part {
            signed,
            signers: Vec::new(),
            layout: Layout::Compact,
            respelled: Vec::new(),
            signature_edits: Vec::new(),
            file_edits: Vec::new(),
        }
    }

    /// Writes a text of the document otherwise, in what is signed and in the file: for what no
    /// [`Value`] can hold, such as `1.0` or a repeated key. `from` is as compact JSON has it.
    pub fn respell(&mut self, from: &str, to: &str) {
        self.respelled.push((from.to_owned(), to.to_owned()));
    }

    /// Edits the list of signatures, after the signers have signed.
    pub fn edit_signatures(&mut self, edit: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) {
        self.signature_edits.push(Arc::new(edit));
    }

    /// Edits the text of the file, after it was signed.
    pub fn edit_file(&mut self, edit: impl Fn(String) -> String + Send + Sync + 'static) {
        self.file_edits.push(Arc::new(edit));
    }

    /// The bytes that are signed.
    pub fn message(&self) -> Vec<u8> {
        match self.layout {
            Layout::PrettyAndSignedRaw => self.respell_in(pretty(&self.signed)).into_bytes(),
            _ => self.respell_in(text(json::canonical(&self.signed))).into_bytes(),
        }
    }

    /// Signs, and writes the file.
    pub fn file(&self) -> Vec<u8> {
        let message = self.message();
        let sign =
            |key: &HandKey| json!({"keyid": key.id(), "sig": hex::encode(key.sign(&message))});
        let mut signatures: Vec<Value> = self.signers.iter().map(sign).collect();
        self.signature_edits.iter().for_each(|edit| edit(&mut signatures));
        let signatures = Value::from(signatures);
        let envelope = || json!({"signatures": signatures, "signed": self.signed});
        let file = match self.layout {
            Layout::Compact => text(json::compact(&envelope())),
            Layout::Canonical => text(json::canonical(&envelope())),
            Layout::Pretty => pretty(&envelope()),
            Layout::PrettyAndSignedRaw => {
                format!("{{\"signatures\":{signatures},\"signed\":{}}}", pretty(&self.signed))
            }
        };
        let file = self.respell_in(file);
        self.file_edits.iter().fold(file, |file, edit| edit(file)).into_bytes()
    }

    fn respell_in(&self, mut text: String) -> String {
        for (from, to) in &self.respelled {
            assert!(text.contains(from.as_str()), "{from} is not in {text}");
            text = text.replace(from.as_str(), to);
        }
        text
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value is JSON")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("a hand-written file is UTF-8")
}
