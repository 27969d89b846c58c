//! Key pairs in a token: made, found, read and used.

use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use notary_schema::key::PublicKey;
use pkcs8::der::asn1::{ObjectIdentifier, OctetStringRef, UintRef};
use pkcs8::der::{Decode, Encode, Length, Writer};
use ring::rand::{SecureRandom, SystemRandom};

use super::super::named::ToSign;
use super::super::{Algorithm, Trouble};
use super::Locator;
use super::session::{LoggedIn, check, trouble};

const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// Ed25519 as an object identifier (RFC 8410), and as the name that PKCS#11 3.0 has for the curve.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ED25519_NAME: &[u8] = b"\x13\x0cedwards25519";

const RSA_BITS: u64 = 3072;
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];
const ID_BYTES: usize = 16;
/// Most keys that a session keeps in mind.
const MAX_KEYS: usize = 1_000;

/// Makes a pair that stays in the token and does not come out.
pub(super) fn create(
    session: &Session,
    algorithm: Algorithm,
    label: &str,
) -> Result<(Locator, PublicKey), Trouble> {
    let mut id = vec![0; ID_BYTES];
    let random = SystemRandom::new().fill(&mut id);
    random.map_err(|_| Trouble::Unreachable("there is no randomness".to_owned()))?;
    let (mechanism, kind) = match algorithm {
        Algorithm::Ed25519 => {
            (Mechanism::EccEdwardsKeyPairGen, vec![Attribute::EcParams(ED25519_NAME.to_vec())])
        }
        Algorithm::EcdsaP256 => {
            let curve = P256.to_der().expect("an identifier is DER");
            (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(curve)])
        }
        Algorithm::Rsa3072 => (
            Mechanism::RsaPkcsKeyPairGen,
            vec![
                Attribute::ModulusBits(RSA_BITS.into()),
                Attribute::PublicExponent(RSA_EXPONENT.to_vec()),
            ],
        ),
    };
    let named = [Attribute::Token(true), Attribute::Label(label.into()), Attribute::Id(id.clone())];
    let public = [&named[..], &kind, &[Attribute::Private(false), Attribute::Verify(true)]];
    let private = [
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ];
    let (public, _) = session
        .generate_key_pair(&mechanism, &public.concat(), &[&named[..], &private].concat())
        .map_err(trouble)?;
    let locator = Locator { label: Some(label.to_owned()), id: Some(id) };
    Ok((locator, read_public(session, public)?))
}

/// The one key pair that is named, with label and id as the token has them.
pub(super) fn describe(
    session: &Session,
    locator: &Locator,
) -> Result<(Locator, PublicKey), Trouble> {
    let private = find_private(session, locator)?;
    let wanted = [AttributeType::Label, AttributeType::Id];
    let mut whole = Locator { label: None, id: None };
    for attribute in session.get_attributes(private, &wanted).map_err(trouble)? {
        match attribute {
            Attribute::Label(label) if !label.is_empty() => {
                whole.label = String::from_utf8(label).ok();
            }
            Attribute::Id(id) if !id.is_empty() => whole.id = Some(id),
            _ => {}
        }
    }
    let public = match find(session, ObjectClass::PUBLIC_KEY, &whole)?[..] {
        [public] => public,
        [] => private, // some tokens have everything that is public in the private object
        _ => return Err(ambiguous(&whole)),
    };
    Ok((whole, read_public(session, public)?))
}

/// What is to be signed, and how.
pub(super) struct Request {
    scheme: Scheme,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    Ed25519,
    /// The token answers two numbers of one length, which become DER.
    Ecdsa,
    RsaPss,
}

impl Request {
    pub(super) fn new(public: &PublicKey, message: &[u8]) -> Request {
        let scheme = match public {
            PublicKey::Ed25519(_) => Scheme::Ed25519,
            PublicKey::EcdsaP256(_) | PublicKey::EcdsaP384(_) => Scheme::Ecdsa,
            PublicKey::Rsa(_) => Scheme::RsaPss,
        };
        let bytes = match ToSign::of(public, message) {
            ToSign::Message(message) => message.to_vec(),
            ToSign::Digest(digest) => digest,
        };
        Request { scheme, bytes }
    }

    fn mechanism(&self) -> Mechanism<'static> {
        match self.scheme {
            Scheme::Ed25519 => Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)),
            Scheme::Ecdsa => Mechanism::Ecdsa,
            Scheme::RsaPss => Mechanism::RsaPkcsPss(PkcsPssParams {
                hash_alg: MechanismType::SHA256,
                mgf: PkcsMgfType::MGF1_SHA256,
                s_len: 32.into(),
            }),
        }
    }
}

/// A signature in the form that metadata has. A key that is gone is an error as a lost session is:
/// what begins anew looks for it again.
pub(super) fn sign(
    LoggedIn { session, keys, .. }: &mut LoggedIn,
    locator: Locator,
    request: &Request,
) -> Result<Vec<u8>, Trouble> {
    let key = match keys.get(&locator) {
        Some(key) => *key,
        None => {
            let key = find_private(session, &locator)?;
            if keys.len() >= MAX_KEYS {
                keys.clear();
            }
            keys.insert(locator, key);
            key
        }
    };
    let signature = session.sign(&request.mechanism(), key, &request.bytes).map_err(trouble)?;
    if request.scheme != Scheme::Ecdsa {
        return Ok(signature);
    }
    let der = ecdsa_der(&signature);
    der.ok_or_else(|| Trouble::WrongAnswer("the ECDSA signature is not two numbers".to_owned()))
}

fn find_private(session: &Session, locator: &Locator) -> Result<ObjectHandle, Trouble> {
    match find(session, ObjectClass::PRIVATE_KEY, locator)?[..] {
        [key] => Ok(key),
        [] => check(session).and(Err(Trouble::NoSuchKey(locator.to_string()))),
        _ => Err(ambiguous(locator)),
    }
}

/// The objects of a kind that have this name.
pub(super) fn find(
    session: &Session,
    class: ObjectClass,
    locator: &Locator,
) -> Result<Vec<ObjectHandle>, Trouble> {
    let mut wanted = vec![Attribute::Class(class)];
    wanted.extend(locator.label.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec())));
    wanted.extend(locator.id.clone().map(Attribute::Id));
    session.find_objects(&wanted).map_err(trouble)
}

fn ambiguous(locator: &Locator) -> Trouble {
    Trouble::NotSupported(format!("several keys are {locator}: name one by its id"))
}

fn read_public(session: &Session, key: ObjectHandle) -> Result<PublicKey, Trouble> {
    let wanted = [
        AttributeType::KeyType,
        AttributeType::EcParams,
        AttributeType::EcPoint,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
    ];
    let mut read = Read::default();
    for attribute in session.get_attributes(key, &wanted).map_err(trouble)? {
        match attribute {
            Attribute::KeyType(kind) => read.kind = Some(kind),
            Attribute::EcParams(curve) => read.curve = curve,
            Attribute::EcPoint(point) => read.point = point,
            Attribute::Modulus(modulus) => read.modulus = modulus,
            Attribute::PublicExponent(exponent) => read.exponent = exponent,
            _ => {}
        }
    }
    let public = read.public().ok_or_else(|| {
        Trouble::NotSupported(
            "the key has no public part that is read here: Ed25519, ECDSA on P-256 or P-384, RSA"
                .to_owned(),
        )
    })?;
    // What we made of its attributes has to be a key that is verified with.
    PublicKey::from_spki(&public.to_spki())
        .map_err(|error| Trouble::NotSupported(error.to_string()))
}

/// What a token says of a public key.
#[derive(Default)]
struct Read {
    kind: Option<KeyType>,
    curve: Vec<u8>,
    point: Vec<u8>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Read {
    fn public(&self) -> Option<PublicKey> {
        // The standard says that a point is an octet string; some tokens give its bytes.
        let wrapped = <&OctetStringRef>::from_der(&self.point);
        let point = wrapped.map_or(&self.point[..], OctetStringRef::as_bytes);
        let curve = ObjectIdentifier::from_der(&self.curve);
        match self.kind? {
            KeyType::EC_EDWARDS if self.curve == ED25519_NAME || curve == Ok(ED25519) => {
                Some(PublicKey::Ed25519(point.try_into().ok()?))
            }
            KeyType::EC if curve == Ok(P256) => Some(PublicKey::EcdsaP256(point.to_vec())),
            KeyType::EC if curve == Ok(P384) => Some(PublicKey::EcdsaP384(point.to_vec())),
            KeyType::RSA => Some(PublicKey::Rsa(sequence(&self.modulus, &self.exponent)?)),
            _ => None,
        }
    }
}

/// ECDSA in DER from r and s side by side.
fn ecdsa_der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(signature.len() / 2)?;
    if r.is_empty() || r.len() != s.len() {
        return None;
    }
    sequence(r, s)
}

/// A DER sequence of two numbers: an ECDSA signature, or an `RSAPublicKey`.
fn sequence(first: &[u8], second: &[u8]) -> Option<Vec<u8>> {
    let numbers = [UintRef::new(first).ok()?, UintRef::new(second).ok()?];
    let [first, second] = numbers.map(|number| number.to_der());
    let body = [first.ok()?, second.ok()?].concat();
    let mut der = vec![0x30];
    Length::try_from(body.len()).ok()?.encode(&mut der).ok()?;
    der.write(&body).ok()?;
    Some(der)
}
