//! The bytes that carry requirements inside an order.

use alloy::primitives::{B256, keccak256};
use alloy::sol_types::SolValue;
use market::{
    Attribute, MAX_REQUIREMENTS_BYTES, REQUIREMENTS_VERSION, Requirements, ServiceRequirements, Tier,
};

use super::ConvertError;
use crate::abi;

/// The ABI encoding of requirements, as `postOrder` takes it.
pub fn encode_requirements(requirements: &Requirements) -> Result<Vec<u8>, ConvertError> {
    let encoded = to_abi(requirements).abi_encode();
    if encoded.len() > MAX_REQUIREMENTS_BYTES {
        return Err(ConvertError::RequirementsTooLong(encoded.len()));
    }
    Ok(encoded)
}

/// The hash by which an order names its encoded requirements.
pub fn requirements_hash(encoded: &[u8]) -> B256 {
    keccak256(encoded)
}

/// Reads a stranger's requirements and checks that they are the ones the order names.
///
/// Decoding is strict: bytes that no encoder makes are refused, and so is anything nobody could provide.
pub fn decode_requirements(expected: B256, encoded: &[u8]) -> Result<Requirements, ConvertError> {
    if encoded.len() > MAX_REQUIREMENTS_BYTES {
        return Err(ConvertError::RequirementsTooLong(encoded.len()));
    }
    if requirements_hash(encoded) != expected {
        return Err(ConvertError::RequirementsHash);
    }
    let decoded = abi::Requirements::abi_decode_validate(encoded)
        .map_err(|error| ConvertError::RequirementsEncoding(error.to_string()))?;
    if decoded.version != REQUIREMENTS_VERSION {
        return Err(ConvertError::RequirementsVersion(decoded.version));
    }
    if decoded.abi_encode() != encoded {
        return Err(ConvertError::RequirementsEncoding("not the canonical encoding".to_owned()));
    }
    let requirements = from_abi(decoded)?;
    requirements.check().map_err(ConvertError::Requirements)?;
    Ok(requirements)
}

fn to_abi(requirements: &Requirements) -> abi::Requirements {
    let service = |service: &ServiceRequirements| abi::ServiceRequirements {
        replicas: service.replicas,
        cpuMilli: service.cpu_milli,
        memoryBytes: service.memory_bytes,
        gpuMilli: service.gpu_milli,
        gpuModel: service.gpu_model.clone(),
        volumeBytes: service.volume_bytes.clone(),
    };
    let attribute =
        |attribute: &Attribute| abi::Attribute { key: attribute.key.clone(), value: attribute.value.clone() };
    abi::Requirements {
        version: REQUIREMENTS_VERSION,
        tier: requirements.tier.into(),
        duration: requirements.duration,
        egressBytesPerSecond: requirements.egress_bytes_per_second,
        leasedIps: requirements.leased_ips,
        services: requirements.services.iter().map(service).collect(),
        attributes: requirements.attributes.iter().map(attribute).collect(),
    }
}

fn from_abi(requirements: abi::Requirements) -> Result<Requirements, ConvertError> {
    let service = |service: abi::ServiceRequirements| ServiceRequirements {
        replicas: service.replicas,
        cpu_milli: service.cpuMilli,
        memory_bytes: service.memoryBytes,
        gpu_milli: service.gpuMilli,
        gpu_model: service.gpuModel,
        volume_bytes: service.volumeBytes,
    };
    Ok(Requirements {
        tier: Tier::try_from(requirements.tier).map_err(ConvertError::Tier)?,
        duration: requirements.duration,
        egress_bytes_per_second: requirements.egressBytesPerSecond,
        leased_ips: requirements.leasedIps,
        services: requirements.services.into_iter().map(service).collect(),
        attributes: requirements
            .attributes
            .into_iter()
            .map(|attribute| Attribute { key: attribute.key, value: attribute.value })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use market::UnknownTier;
    use proptest::prelude::*;

    use super::*;

    fn requirements() -> Requirements {
        Requirements {
            tier: Tier::Userns,
            duration: 3600,
            egress_bytes_per_second: 1_000_000,
            leased_ips: 1,
            services: vec![ServiceRequirements {
                replicas: 2,
                cpu_milli: 250,
                memory_bytes: 128 << 20,
                gpu_milli: 0,
                gpu_model: String::new(),
                volume_bytes: vec![1 << 30, 2 << 30],
            }],
            attributes: vec![Attribute { key: "region".into(), value: "eu".into() }],
        }
    }

    #[test]
    fn requirements_survive_the_way_to_the_chain_and_back() {
        let encoded = encode_requirements(&requirements()).unwrap();
        assert_eq!(decode_requirements(requirements_hash(&encoded), &encoded), Ok(requirements()));
    }

    #[test]
    fn each_fault_of_strange_requirements_is_named() {
        let encoded = encode_requirements(&requirements()).unwrap();
        let decode = |bytes: &[u8]| decode_requirements(requirements_hash(bytes), bytes);
        assert_eq!(decode_requirements(B256::ZERO, &encoded), Err(ConvertError::RequirementsHash));
        assert_eq!(decode(&vec![0; 8193]), Err(ConvertError::RequirementsTooLong(8193)));
        let strange = abi::Requirements { version: 2, ..to_abi(&requirements()) }.abi_encode();
        assert_eq!(decode(&strange), Err(ConvertError::RequirementsVersion(2)));
        let strange = abi::Requirements { tier: 9, ..to_abi(&requirements()) }.abi_encode();
        assert_eq!(decode(&strange), Err(ConvertError::Tier(UnknownTier(9))));
        let trailing = [encoded.as_slice(), &[0; 32]].concat();
        let error = ConvertError::RequirementsEncoding("not the canonical encoding".into());
        assert_eq!(decode(&trailing), Err(error));
        let empty = Requirements { services: vec![], ..requirements() };
        assert_eq!(
            decode(&encode_requirements(&empty).unwrap()),
            Err(ConvertError::Requirements(market::RequirementsProblem::NoServices))
        );
    }

    #[test]
    fn requirements_too_long_for_an_order_are_not_encoded() {
        let attribute = Attribute { key: "k".repeat(5000), value: "v".repeat(5000) };
        let long = Requirements { attributes: vec![attribute], ..requirements() };
        assert!(matches!(encode_requirements(&long), Err(ConvertError::RequirementsTooLong(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(decode_requirements(requirements_hash(&bytes), &bytes).is_err());
        }

        #[test]
        fn no_damaged_encoding_makes_decoding_panic(at in 0usize..900, byte: u8) {
            let mut encoded = encode_requirements(&requirements()).unwrap();
            let at = at % encoded.len();
            encoded[at] = byte;
            // Whatever still decodes must encode to the same bytes again.
            if let Ok(decoded) = decode_requirements(requirements_hash(&encoded), &encoded) {
                prop_assert_eq!(encode_requirements(&decoded).unwrap(), encoded);
            }
        }
    }
}
