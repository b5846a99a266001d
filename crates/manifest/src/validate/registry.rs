//! Credentials of private registries.

use std::collections::BTreeMap;

use super::{Check, limits};
use crate::document::Manifest;
use crate::image::is_registry;
use crate::names::ServiceName;
use crate::path::Path;
use crate::secret::SecretSource;
use crate::valid::{Credentials, Service};

pub(super) fn check_registries(
    check: &mut Check,
    path: &Path,
    manifest: &Manifest,
    services: &BTreeMap<ServiceName, Service>,
) -> BTreeMap<String, Credentials> {
    check.count(path, manifest.registries.len(), limits::REGISTRIES, "registries");
    let mut registries = BTreeMap::new();
    for (host, document) in &manifest.registries {
        let path = path.field(host);
        if !is_registry(host) {
            check.refuse(&path, "is not a registry of the form host or host:port");
            continue;
        }
        // A service that was refused may be the one that it is for.
        let is_complete = services.len() == manifest.services.len();
        if is_complete && !services.values().any(|service| service.image.registry() == host) {
            check.refuse(&path, "no image is of this registry; nobody is told a password for nothing");
        }
        let username = &document.username;
        let fits = limits::USERNAME_BYTES.contains(&username.len())
            && !username.contains(|character: char| character == ':' || character.is_control());
        if !fits {
            let longest = limits::USERNAME_BYTES.end();
            check.refuse(
                &path.field("username"),
                format!("a user name has 1 to {longest} bytes, without ':' and control characters"),
            );
        }
        let path = path.field("password");
        match &document.password {
            SecretSource::Value(password) => {
                check.count(&path, password.expose().len(), limits::PASSWORD_BYTES, "bytes");
                let credentials = Credentials { username: username.clone(), password: password.clone() };
                registries.insert(host.clone(), credentials);
            }
            SecretSource::FromEnv(_) | SecretSource::FromFile(_) => {
                check.refuse(&path, "has no value yet; secrets are resolved before a manifest is checked");
            }
        }
    }
    registries
}

#[cfg(test)]
mod tests {
    use crate::{Secret, from_canonical, parse, validate};

    fn text(registries: &str) -> String {
        format!(
            "version: v1\nname: one\nduration: 1h\nregistries: {registries}\nservices:\n  web:\n    image: ghcr.io/team/web:1\n    \
             resources: {{cpu: 10m, memory: 8Mi}}\n"
        )
    }

    #[test]
    fn credentials_survive_the_canonical_form_and_belong_to_their_registry_alone() {
        let manifest =
            parse(&text("{ghcr.io: {username: me, password: {value: open-sesame}}}"), "m").unwrap();
        let valid = validate(&manifest).unwrap();
        assert_eq!(from_canonical(&valid.canonical_json()).unwrap(), valid);
        let of = |image: &str| valid.credentials(&image.parse().unwrap()).cloned();
        let found = of("ghcr.io/other:2").unwrap();
        assert_eq!((found.username.as_str(), found.password), ("me", Secret::new("open-sesame".to_owned())));
        for image in ["ghcr.io:443/team/web:1", "evil.ghcr.io/team/web:1", "ghcr.io.evil.example/team/web:1"]
        {
            assert_eq!(of(image), None, "{image}");
        }
        assert!(!format!("{manifest:?}{valid:?}").contains("open-sesame"));
    }

    #[test]
    fn what_is_no_registry_nobodys_registry_or_without_a_value_is_refused_without_its_password() {
        let refused = |registries: &str| -> Vec<String> {
            let manifest = match parse(&text(registries), "m") {
                Ok(manifest) => manifest,
                Err(error) => return vec![error.to_string()],
            };
            validate(&manifest).unwrap_err().iter().map(ToString::to_string).collect()
        };
        for (registries, wanted) in [
            (
                "{quay.io: {username: me, password: {value: hush}}}",
                "registries.quay.io: no image is of this registry",
            ),
            ("{ghcr: {username: me, password: {value: hush}}}", "registries.ghcr: is not a registry"),
            ("{ghcr.io: {username: 'a:b', password: {value: hush}}}", "username: a user name has"),
            ("{ghcr.io: {username: '', password: {value: hush}}}", "username: a user name has"),
            ("{ghcr.io: {username: me, password: {fromEnv: TOKEN}}}", "password: has no value yet"),
            ("{ghcr.io: {username: me, password: hush}}", "expected exactly one of"),
            ("{ghcr.io: {username: me}}", "missing"),
        ] {
            let problems = refused(registries).join("\n");
            assert!(problems.contains(wanted) && !problems.contains("hush"), "{registries}: {problems}");
        }
    }
}
