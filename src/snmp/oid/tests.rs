use proptest::prelude::*;

use super::*;

/// Arcs of an identifier, by the standard's rule about the first two.
fn arcs() -> impl Strategy<Value = Vec<u32>> {
    let arc = prop_oneof![0u32..300, any::<u32>(), Just(u32::MAX), Just(0), Just(127), Just(128)];
    let root = prop_oneof![(0u32..2, 0u32..40), (Just(2u32), 0u32..=u32::MAX - 80)];
    (root, prop::collection::vec(arc, 0..126)).prop_map(|((first, second), rest)| {
        let mut arcs = vec![first, second];
        arcs.extend(rest);
        arcs
    })
}

#[test]
fn prints_and_parses() {
    let oid: Oid = ".1.3.6.1.4.1.4294967295".parse().unwrap();
    assert_eq!(oid.to_string(), "1.3.6.1.4.1.4294967295");
    assert_eq!(oid.parent().unwrap().to_string(), "1.3.6.1.4.1");
    for (text, error) in [
        ("", OidError::BadText),
        ("1", OidError::TooShort),
        ("1..3", OidError::BadText),
        ("1.3.", OidError::BadText),
        ("1.3.+4", OidError::BadText),
        ("1.3.4294967296", OidError::ArcOverflow),
        ("1.40", OidError::BadRoot),
        ("3.1", OidError::BadRoot),
        ("2.4294967295", OidError::ArcOverflow),
    ] {
        assert_eq!(text.parse::<Oid>(), Err(error), "{text:?}");
    }
    let long = |arcs: usize| format!("1.3{}", ".7".repeat(arcs - 2)).parse::<Oid>();
    assert_eq!(long(128).unwrap().arcs().count(), 128);
    assert_eq!(long(129), Err(OidError::TooLong));
    assert_eq!(long(128).unwrap().child(1), Err(OidError::TooLong));
}

#[test]
fn a_constant_is_what_is_parsed() {
    const IF_DESCR: Oid = Oid::literal(&[1, 3, 6, 1, 2, 1, 2, 2, 1, 2]);
    assert_eq!(IF_DESCR, "1.3.6.1.2.1.2.2.1.2".parse().unwrap());
    for text in ["2.999.3", "1.3.127", "1.3.128.16384.4294967295", "0.0"] {
        let oid: Oid = text.parse().unwrap();
        assert_eq!(Oid::literal(&oid.arcs().collect::<Vec<_>>()), oid);
    }
}

#[test]
fn refuses_what_is_no_encoding() {
    for (bytes, error) in [
        (&[0x2b, 0x86][..], OidError::BadEncoding),
        (&[0x2b, 0x80, 0x01], OidError::BadEncoding),
        (&[0x2b, 0x90, 0x80, 0x80, 0x80, 0x00], OidError::ArcOverflow),
        (&[0x2b, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00], OidError::ArcOverflow),
        (&[1; 128], OidError::TooLong),
    ] {
        assert_eq!(OidRef::from_bytes(bytes), Err(error), "{bytes:02x?}");
    }
    assert_eq!(OidRef::from_bytes(&[0x2b, 0x8f, 0xff, 0xff, 0xff, 0x7f]).unwrap().to_string(), "1.3.4294967295");
    let none = OidRef::from_bytes(&[]).unwrap();
    assert_eq!((none.arc_count(), none.to_string(), none.to_owned().parent()), (0, String::new(), None));
}

#[test]
fn usual_identifiers_are_inline() {
    let inline = |oid: &Oid| matches!(oid.0, Bytes::Inline { .. });
    assert!(inline(&Oid::from_arcs(&[1; 40]).unwrap()));
    assert!(!inline(&Oid::from_arcs(&[1; 128]).unwrap()));
    assert_eq!(size_of::<Oid>(), 64);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arcs_survive(arcs in arcs()) {
        let oid = Oid::from_arcs(&arcs).unwrap();
        prop_assert_eq!(oid.arcs().collect::<Vec<_>>(), arcs.clone());
        prop_assert_eq!(oid.as_ref().arc_count(), arcs.len());
        prop_assert_eq!(OidRef::from_bytes(oid.as_bytes()), Ok(oid.as_ref()));
        prop_assert_eq!(oid.to_string().parse::<Oid>(), Ok(oid.clone()));
        prop_assert_eq!(
            oid.parent().map(|parent| parent.arcs().collect::<Vec<_>>()),
            (arcs.len() > 2).then(|| arcs[..arcs.len() - 1].to_vec())
        );
        let index = oid.child(77).ok().map(|child| child.as_ref().strip_prefix(oid.as_ref()).unwrap().single());
        prop_assert_eq!(index, (arcs.len() < 128).then_some(Some(77)));
    }

    #[test]
    fn order_and_prefixes_are_those_of_the_arcs(one in arcs(), mut other in arcs(), shared in 0usize..12) {
        // Two that have nothing in common say little.
        let shared = shared.min(one.len()).min(other.len());
        if shared >= 2 {
            other[..shared].copy_from_slice(&one[..shared]);
        }
        let (left, right) = (Oid::from_arcs(&one).unwrap(), Oid::from_arcs(&other).unwrap());
        prop_assert_eq!(left.cmp(&right), one.cmp(&other));
        prop_assert_eq!(left == right, one == other);
        let cut = shared.max(2);
        let prefix = Oid::from_arcs(&one[..cut]).unwrap();
        prop_assert!(left.starts_with(&prefix));
        let index = left.as_ref().strip_prefix(prefix.as_ref()).unwrap();
        prop_assert_eq!(index.arcs().collect::<Vec<_>>(), one[cut..].to_vec());
        prop_assert_eq!(prefix.join(index), Ok(left.clone()));
        prop_assert_eq!(right.starts_with(&prefix), other.starts_with(&one[..cut]));
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x80), 0x80u8..0x90], 0..40)) {
        if let Ok(oid) = OidRef::from_bytes(&bytes) {
            let arcs: Vec<u32> = oid.arcs().collect();
            let again = Oid::from_arcs(&arcs);
            prop_assert!(bytes.is_empty() || again.unwrap().as_bytes() == bytes);
        }
    }
}
