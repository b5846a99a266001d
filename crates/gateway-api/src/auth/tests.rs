//! Every way in which a request can be not what was signed.

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use proptest::prelude::*;

use super::*;
use crate::{NonceCache, NonceRefused};

const AUDIENCE: Audience = Audience { chain_id: 31_337, provider: Address::repeat_byte(0xaa) };
const PARTS: RequestParts<'static> =
    RequestParts { method: "PUT", path: "/v1/leases/0x01/manifest?x=1", body: b"body" };
const STARTED: Timestamp = Timestamp(1_000);
const ISSUED: Timestamp = Timestamp(2_000);
const EXPIRY: Timestamp = Timestamp(2_060);

fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap()
}

fn sign(
    parts: &RequestParts<'_>,
    audience: &Audience,
    issued_at: Timestamp,
    expiry: Timestamp,
) -> AuthHeader {
    let nonce = B256::repeat_byte(9);
    let digest = digest(parts, audience, issued_at, expiry, nonce).unwrap();
    let signature = key().sign_hash_sync(&digest).unwrap();
    AuthHeader {
        signer: key().address(),
        issued_at,
        expiry,
        nonce,
        signature: Signature64::from_bytes(&signature.as_erc2098()),
    }
}

fn signed() -> AuthHeader {
    sign(&PARTS, &AUDIENCE, ISSUED, EXPIRY)
}

fn check(
    header: &AuthHeader,
    parts: &RequestParts<'_>,
    audience: &Audience,
    now: u64,
) -> Result<Address, AuthError> {
    authenticate(header, parts, audience, STARTED, Timestamp(now)).map(|authenticated| authenticated.signer)
}

#[test]
fn a_fresh_request_is_believed_from_issue_to_expiry() {
    let header = signed();
    for now in [1_995, 2_000, 2_060, 2_065] {
        assert_eq!(check(&header, &PARTS, &AUDIENCE, now), Ok(header.signer));
    }
}

#[test]
fn a_stale_a_future_and_a_long_lived_request_are_refused() {
    let header = signed();
    let now = Timestamp(2_066);
    assert_eq!(check(&header, &PARTS, &AUDIENCE, 2_066), Err(AuthError::Stale { expiry: EXPIRY, now }));
    let now = Timestamp(1_994);
    assert_eq!(check(&header, &PARTS, &AUDIENCE, 1_994), Err(AuthError::Future { issued_at: ISSUED, now }));
    for expiry in [Timestamp(2_061), Timestamp(1_999)] {
        let header = sign(&PARTS, &AUDIENCE, ISSUED, expiry);
        assert_eq!(check(&header, &PARTS, &AUDIENCE, 2_000), Err(AuthError::Lifetime));
    }
}

#[test]
fn a_request_that_the_former_process_may_have_answered_is_refused() {
    let header = signed();
    let after =
        |started| authenticate(&header, &PARTS, &AUDIENCE, Timestamp(started), Timestamp(2_002)).map(|_| ());
    assert_eq!(after(2_001), Err(AuthError::BeforeStart));
    // The former process took requests from five seconds into its future.
    assert_eq!(after(ISSUED.0 - MAX_SKEW_SECONDS), Err(AuthError::BeforeStart));
    assert_eq!(after(ISSUED.0 - MAX_SKEW_SECONDS - 1), Ok(()));
}

#[test]
fn a_request_that_was_tampered_with_is_refused() {
    let header = signed();
    let refused = Err(AuthError::Signature);
    for parts in [
        RequestParts { method: "GET", ..PARTS },
        RequestParts { path: "/v1/leases/0x02/manifest?x=1", ..PARTS },
        RequestParts { path: "/v1/leases/0x01/manifest?x=2", ..PARTS },
        RequestParts { path: "/v1/leases/0x01/manifest", ..PARTS },
        RequestParts { body: b"bodY", ..PARTS },
        RequestParts { body: b"", ..PARTS },
    ] {
        assert_eq!(check(&header, &parts, &AUDIENCE, 2_000), refused, "{parts:?}");
    }
    let other_provider = Audience { provider: Address::repeat_byte(0xbb), ..AUDIENCE };
    assert_eq!(check(&header, &PARTS, &other_provider, 2_000), refused);
    let other_chain = Audience { chain_id: 1, ..AUDIENCE };
    assert_eq!(check(&header, &PARTS, &other_chain, 2_000), refused);
    for header in [
        AuthHeader { signer: Address::repeat_byte(1), ..header },
        AuthHeader { issued_at: Timestamp(2_001), ..header },
        AuthHeader { expiry: Timestamp(2_059), ..header },
        AuthHeader { nonce: B256::ZERO, ..header },
        AuthHeader { signature: Signature64 { r: B256::ZERO, vs: B256::ZERO }, ..header },
        AuthHeader { signature: Signature64 { r: header.signature.vs, vs: header.signature.r }, ..header },
    ] {
        assert_eq!(check(&header, &PARTS, &AUDIENCE, 2_002), refused, "{header:?}");
    }
}

#[test]
fn a_replayed_request_is_refused_until_it_has_expired_anyway() {
    let mut nonces = NonceCache::new(10, 10);
    let seen = authenticate(&signed(), &PARTS, &AUDIENCE, STARTED, ISSUED).unwrap();
    assert_eq!(nonces.remember(&seen, ISSUED), Ok(()));
    assert_eq!(nonces.remember(&seen, ISSUED), Err(NonceRefused::Replayed));
    let last = Timestamp(EXPIRY.0 + MAX_SKEW_SECONDS);
    assert_eq!(nonces.remember(&seen, last), Err(NonceRefused::Replayed));
}

#[test]
fn a_header_survives_its_text() {
    let header = signed();
    let text = header.to_string();
    assert_eq!(text.parse(), Ok(header));
    for text in [
        "",
        "v1",
        "v2 a,b,c,d,e",
        &text.replace("v1 ", "v1"),
        &text.replace("0x", ""),
        &format!("{text},1"),
        &text.replace(",2000,", ",+2000,"),
        &text.replace(",2000,", ",1099511627776,"),
    ] {
        assert_eq!(text.parse::<AuthHeader>(), Err(AuthError::Malformed), "{text}");
    }
}

proptest! {
    #[test]
    fn arbitrary_headers_never_panic(text in "\\PC{0,200}", fields in prop::collection::vec("[0-9a-fx]{0,140}", 0..7)) {
        let _ = text.parse::<AuthHeader>();
        let _ = format!("v1 {}", fields.join(",")).parse::<AuthHeader>();
    }

    #[test]
    fn arbitrary_signatures_never_panic_and_are_never_believed(bytes in prop::array::uniform32(any::<u8>())) {
        let forged = Signature64 { r: B256::from(bytes), vs: B256::from(bytes) };
        let header = AuthHeader { signature: forged, ..signed() };
        prop_assert_eq!(check(&header, &PARTS, &AUDIENCE, 2_000), Err(AuthError::Signature));
    }
}
