use std::fmt;

/// The header that names the trace of a request.
pub const TRACEPARENT: &str = "traceparent";

/// Bytes of the id of a trace.
const TRACE: usize = 16;

/// Bytes of the id of one piece of work in a trace.
const PARENT: usize = 8;

/// Where a request stands in a trace: the header `traceparent` of W3C Trace Context.
///
/// Whoever asks may choose the trace, so its id finds lines in logs and proves nothing. The header
/// `tracestate` is neither read nor passed on.
///
/// ```
/// use notary_schema::wire::TraceParent;
///
/// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let named = TraceParent::of_header([header.as_bytes()]).unwrap();
/// assert_eq!(named.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert_eq!(named.to_string(), header);
/// assert_eq!(TraceParent::of_header([header.to_uppercase().as_bytes()]), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; TRACE],
    parent: [u8; PARENT],
    /// Whether whoever began the trace records it.
    is_sampled: bool,
}

impl TraceParent {
    /// A trace that begins here, of random bytes.
    pub fn begin(trace: [u8; TRACE], parent: [u8; PARENT]) -> TraceParent {
        TraceParent { trace, parent, is_sampled: false }
    }

    /// What the headers of this name say. Nothing where there is none, several, or one that has not the
    /// form that it must have: the trace begins anew then.
    pub fn of_header<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Option<TraceParent> {
        let mut headers = headers.into_iter();
        let header = std::str::from_utf8(headers.next()?).ok()?;
        if headers.next().is_some() {
            return None;
        }
        let mut fields = header.splitn(5, '-');
        let [version] = bytes(fields.next()?)?;
        let trace = bytes(fields.next()?).filter(|id| *id != [0; TRACE])?;
        let parent = bytes(fields.next()?).filter(|id| *id != [0; PARENT])?;
        let [flags] = bytes(fields.next()?)?;
        // A later version may say more behind; 255 is none.
        match (version, fields.next()) {
            (0xff, _) | (0, Some(_)) => None,
            _ => Some(TraceParent { trace, parent, is_sampled: flags & 1 == 1 }),
        }
    }

    /// The same trace, for what is asked of others by the piece of work of this id.
    pub fn under(self, parent: [u8; PARENT]) -> TraceParent {
        TraceParent { parent, ..self }
    }

    /// The id of the trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        hex::encode(self.trace)
    }
}

/// Lower-case hexadecimal digits, as the format has them.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    hex::decode_to_slice(text, &mut bytes).ok().filter(|()| is_lower)?;
    Some(bytes)
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TraceParent { parent, is_sampled, .. } = self;
        let flags = u8::from(*is_sampled);
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id(), hex::encode(parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn trace_id(headers: &[&str]) -> Option<String> {
        let headers = headers.iter().map(|header| header.as_bytes());
        TraceParent::of_header(headers).map(|named| named.trace_id())
    }

    #[test]
    fn a_trace_is_taken_over_in_its_one_form_only() {
        let id = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
        let later = format!("01{}-more", &GOOD[2..]);
        for good in [GOOD, &GOOD.replace("-01", "-00"), &later, &GOOD.replacen("00", "fe", 1)] {
            assert_eq!(trace_id(&[good]), id, "{good}");
        }
        let bad = [
            String::new(),
            "x".repeat(5000),
            GOOD.to_uppercase(),
            format!("{GOOD}-more"),
            format!(" {GOOD}"),
            GOOD[..54].to_owned(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("4bf92f", "4bf92g"),
            GOOD.replace("4bf92f", "4bf9"),
        ];
        for bad in &bad {
            assert_eq!(trace_id(&[bad]), None, "{bad}");
        }
        assert_eq!((trace_id(&[]), trace_id(&[GOOD, GOOD])), (None, None));
    }

    #[test]
    fn what_is_asked_of_others_stands_under_the_same_trace() {
        let named = TraceParent::of_header([GOOD.as_bytes()]).unwrap();
        let asked = named.under([0xab; 8]).to_string();
        assert_eq!(asked, "00-4bf92f3577b34da6a3ce929d0e0e4736-abababababababab-01");
        let begun = TraceParent::begin([1; 16], [2; 8]).to_string();
        assert_eq!(TraceParent::of_header([begun.as_bytes()]).unwrap().to_string(), begun);
    }
}
