//! Names in their order, each found at once: a walk asks for names that it was just given.

use crate::snmp::{Oid, OidRef, Value};

/// Names of instances, sorted, and a hash table over them.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// All of them, one behind the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
    /// Place + 1 by hash, 0 where there is none; a power of two, at least twice as many as there are names.
    slots: Vec<u32>,
}

impl Names {
    /// From names in strictly increasing order.
    pub(super) fn new<'a>(sorted: impl IntoIterator<Item = &'a Oid>) -> Self {
        let mut names = Self::default();
        for oid in sorted {
            names.bytes.extend_from_slice(oid.as_bytes());
            names.ends.push(names.bytes.len() as u32);
        }
        names.slots = vec![0; (names.len() * 2).next_power_of_two()];
        for place in 0..names.len() {
            let mut slot = names.slot(names.bytes(place));
            while names.slots[slot] != 0 {
                slot = (slot + 1) & (names.slots.len() - 1);
            }
            names.slots[slot] = place as u32 + 1;
        }
        names
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The name at a place.
    pub(super) fn at(&self, place: usize) -> OidRef<'_> {
        OidRef::from_checked(self.bytes(place))
    }

    /// Where a name is, or else where it would be.
    pub(super) fn find(&self, name: OidRef<'_>) -> Result<usize, usize> {
        if self.ends.is_empty() {
            return Err(0);
        }
        let mut slot = self.slot(name.as_bytes());
        while let Some(place) = (self.slots[slot] as usize).checked_sub(1) {
            if self.bytes(place) == name.as_bytes() {
                return Ok(place);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.at(middle) < name { low = middle + 1 } else { high = middle }
        }
        Err(low)
    }

    /// The place behind a name. `last` is where the walk found its last one: the name is most often that.
    pub(super) fn after(&self, name: OidRef<'_>, last: usize) -> usize {
        // It is not only equal: within one request it is the very one that was handed out.
        if last < self.len() && std::ptr::eq(self.bytes(last), name.as_bytes()) {
            return last + 1;
        }
        match self.find(name) {
            Ok(at) => at + 1,
            Err(at) => at,
        }
    }

    /// What a get of a name that is not here means: its object exists if a neighbour in order shares the column, that
    /// is all but the last arc. `at` is where the name would be.
    pub(super) fn absent(&self, name: OidRef<'_>, at: usize) -> Value<'static> {
        let column: Vec<u32> = name.arcs().collect();
        let column = &column[..column.len().saturating_sub(1)];
        let shares = |at: usize| self.at(at).arcs().take(column.len()).eq(column.iter().copied());
        let near = at.saturating_sub(1)..(at + 1).min(self.len());
        if near.into_iter().any(shares) { Value::NoSuchInstance } else { Value::NoSuchObject }
    }

    fn bytes(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.bytes[start..self.ends[place] as usize]
    }

    /// The names are our own; whoever asks for others gains a few more steps than he would have had.
    fn slot(&self, name: &[u8]) -> usize {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let (words, rest) = name.as_chunks::<8>();
        let mut hash = name.len() as u64;
        for word in words {
            hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(ODD).rotate_left(29);
        }
        for byte in rest {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(ODD).rotate_left(29);
        }
        (hash.wrapping_mul(ODD) >> 32) as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn every_name_has_the_place_that_a_list_gives_it(
            kept in proptest::collection::btree_set(proptest::collection::vec(0u32..300, 1..5), 0..60),
            asked in proptest::collection::vec(proptest::collection::vec(0u32..300, 1..5), 0..40),
        ) {
            let oid = |arcs: &Vec<u32>| Oid::from_arcs(&[&[1, 3], &arcs[..]].concat()).unwrap();
            let list: Vec<Oid> = kept.iter().map(oid).collect();
            let names = Names::new(&list);
            for name in list.iter().cloned().chain(asked.iter().map(oid)) {
                prop_assert_eq!(names.find(name.as_ref()), list.binary_search(&name));
                let after = list.partition_point(|other| *other <= name);
                for last in 0..=list.len() {
                    prop_assert_eq!(names.after(name.as_ref(), last), after);
                }
            }
        }
    }
}
