use axum::{Router, routing::get};
use serde_json::json;

use super::*;
use crate::{
    lease_controller::test_support::{manifest_of, manifest_yaml},
    registry::address::AddressRules,
};

const UID: &str = "uid-of-lease";

fn linux() -> Vec<Platform> {
    let none: [std::sync::Arc<Node>; 0] = [];
    platforms(&none)
}

fn one_service(image: &str) -> ValidManifest {
    manifest_of(&format!(
        "version: v1\nname: one\nduration: 1h\nservices:\n  web:\n    image: {image}\n    resources: {{cpu: 10m, memory: 8Mi}}\n"
    ))
}

/// A registry on loopback with a small and a large image, and a book that may ask it.
async fn registry() -> (String, ImageBook) {
    // A second test of the same process finds the provider there, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let image = |bytes: u64| {
        get(move || async move { json!({"config": {"size": 0}, "layers": [{"size": bytes}]}).to_string() })
    };
    let router = Router::new()
        .route("/v2/web/manifests/small", image(1000))
        .route("/v2/web/manifests/full", image(EPHEMERAL_STORAGE_BYTES))
        .route("/v2/web/manifests/large", image(EPHEMERAL_STORAGE_BYTES + 1));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let allowed = format!("http://{address}").parse().unwrap();
    let registry = Registry::new(AddressRules::new([allowed], Vec::new())).unwrap();
    (address, ImageBook::new(Some(registry)))
}

/// Settles, waiting as the controller does: by asking again.
async fn settle(
    book: &ImageBook,
    manifest: &ValidManifest,
    recorded: &[ImageStatus],
) -> Result<Vec<ImageStatus>, ImageRefused> {
    loop {
        match book.settle(UID, manifest, recorded, &linux())? {
            Images::Known(images) => return Ok(images),
            Images::Pending => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_tag_is_looked_up_once_and_then_recorded() {
    let (address, book) = registry().await;
    let manifest = one_service(&format!("{address}/web:small"));
    assert_eq!(book.settle(UID, &manifest, &[], &linux()), Ok(Images::Pending));
    let images = settle(&book, &manifest, &[]).await.unwrap();
    assert_eq!(
        images.iter().map(|image| (image.image.clone(), image.size_bytes)).collect::<Vec<_>>(),
        [(format!("{address}/web:small"), Some(1000))]
    );
    assert_eq!(images[0].digest.len(), "sha256:".len() + 64);
    // What is recorded is not asked for again, also when the tag is something else by now.
    let moved = vec![ImageStatus { digest: format!("sha256:{}", "7".repeat(64)), ..images[0].clone() }];
    assert_eq!(book.settle(UID, &manifest, &moved, &linux()), Ok(Images::Known(moved.clone())));
    // An update keeps it, so that going back runs the same bytes.
    let updated = one_service(&format!("{address}/web:full"));
    let images = settle(&book, &updated, &moved).await.unwrap();
    assert_eq!(images.len(), 2);
    assert_eq!(images[1], moved[0]);
}

#[tokio::test]
async fn an_image_above_the_allowance_is_refused_with_both_numbers() {
    let (address, book) = registry().await;
    let refused = settle(&book, &one_service(&format!("{address}/web:large")), &[]).await.unwrap_err();
    assert_eq!(
        (refused.reason(), refused.to_string()),
        (
            reason::IMAGE_TOO_LARGE,
            format!(
                "image {address}/web:large: it has 1073741825 bytes to download, but a replica's ephemeral storage \
                 has 1073741824"
            )
        )
    );
}

#[tokio::test]
async fn a_failure_is_told_and_asked_again_only_after_a_while() {
    let (address, book) = registry().await;
    let manifest = one_service(&format!("{address}/web:missing"));
    let refused = settle(&book, &manifest, &[]).await.unwrap_err();
    assert_eq!(
        (refused.reason(), refused.to_string()),
        ("ImageNotFound", format!("image {address}/web:missing: 127.0.0.1 does not have it"))
    );
    assert_eq!(book.settle(UID, &manifest, &[], &linux()), Err(refused));
    tokio::time::pause();
    tokio::time::advance(ASK_AGAIN).await;
    assert_eq!(book.settle(UID, &manifest, &[], &linux()), Ok(Images::Pending));
    assert_eq!(book.lock().len(), 1);
    book.forget(UID);
    assert_eq!(book.lock().len(), 0);
}

#[tokio::test]
async fn the_providers_own_network_is_not_asked() {
    let (_, book) = registry().await;
    let refused = settle(&book, &one_service("169.254.169.254:80/web:1"), &[]).await.unwrap_err();
    assert_eq!(refused.reason(), reason::REGISTRY_NOT_ALLOWED);
}

#[test]
fn without_look_ups_only_digests_are_accepted() {
    let book = ImageBook::new(None);
    assert_eq!(
        book.settle(UID, &manifest_of(&manifest_yaml()), &[], &linux()),
        Ok(Images::Known(Vec::new()))
    );
    let refused = book.settle(UID, &one_service("r.example/web:1"), &[], &linux()).unwrap_err();
    assert_eq!(refused.reason(), reason::IMAGE_UNPINNED);
}
