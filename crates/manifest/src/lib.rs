//! The tenant's manifest: what to run, written in YAML, and everything that may be derived from it.
//!
//! Data flow: text → [`parse()`] → [`Manifest`] (the wire document) → [`Manifest::resolve_secrets`] → [`validate()`] →
//! [`ValidManifest`] (typed, bounded) → [`ValidManifest::canonical_json`] → [`manifest_hash`]. The provider walks the
//! other way with [`from_canonical`]. Nothing here reads a file, an environment variable or a clock.

#![warn(missing_docs)]

mod canonical;
mod document;
mod error;
mod host;
mod image;
mod locate;
mod names;
mod parse;
mod path;
mod quantity;
mod requirements;
mod schema;
mod secret;
mod valid;
mod validate;

pub use canonical::{CanonicalError, from_canonical, manifest_hash};
pub use document::{
    ExposeDocument, GpuDocument, HttpGetDocument, Manifest, NetworkDocument, PlacementDocument, PortDocument,
    ProtocolDocument, ReadinessDocument, RegistryDocument, ResourcesDocument, ServiceDocument,
    TcpSocketDocument, TierDocument, VersionDocument, VolumeDocument,
};
pub use error::{ParseError, Problem};
pub use host::{HostName, ParseHost};
pub use image::{ImageRef, ParseImage};
pub use names::{EnvName, Label, MountPath, ParseName, ServiceName, VolumeName};
pub use parse::{MAX_DOCUMENT_BYTES, Source, Variables, parse, parse_source};
pub use path::Path;
pub use quantity::{Bytes, CpuMilli, ParseQuantity, Seconds};
pub use schema::json_schema;
pub use secret::{Secret, SecretSource};
pub use valid::{
    Credentials, Expose, Gpu, Port, Probe, ProbeKind, Protocol, Replicas, Service, ServicePort, UserId,
    ValidManifest, Volume,
};
pub use validate::{limits, validate};
