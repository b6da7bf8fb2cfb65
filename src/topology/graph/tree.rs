//! A rooted tree over the numbers 0 to n, with every parent's number below its children's: who lies below whom, and the
//! lowest that two have above them.

/// Such a tree; 0 is the root.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    parent: Vec<u32>,
    /// An ancestor far above, so that a climb takes a logarithm of the depth (Myers' skew-binary pointers).
    jump: Vec<u32>,
    /// Each subtree is a run of these places.
    place: Vec<u32>,
    size: Vec<u32>,
}

impl Tree {
    /// From each number's parent; the root is its own.
    pub(super) fn new(parent: Vec<u32>) -> Self {
        let n = parent.len();
        let (mut jump, mut depth) = (vec![0; n], vec![0; n]);
        let (mut size, mut place) = (vec![1; n], vec![0; n]);
        for v in (1..n).rev() {
            size[parent[v] as usize] += size[v];
        }
        let mut next = vec![1; n];
        for v in 1..n {
            let p = parent[v] as usize;
            depth[v] = depth[p] + 1;
            let (far, farther) = (jump[p] as usize, jump[jump[p] as usize] as usize);
            jump[v] = if depth[p] - depth[far] == depth[far] - depth[farther] { farther } else { p } as u32;
            place[v] = next[p];
            next[v] = place[v] + 1;
            next[p] += size[v];
        }
        Self { parent, jump, place, size }
    }

    pub(super) fn parent(&self, v: u32) -> u32 {
        self.parent[v as usize]
    }

    pub(super) fn place(&self, v: u32) -> u32 {
        self.place[v as usize]
    }

    /// The places of all that is at or below `v`.
    pub(super) fn below(&self, v: u32) -> std::ops::Range<u32> {
        let first = self.place(v);
        first..first + self.size[v as usize]
    }

    pub(super) fn is_below(&self, v: u32, top: u32) -> bool {
        self.below(top).contains(&self.place(v))
    }

    /// The lowest that is above (or is) both.
    pub(super) fn meet(&self, a: u32, b: u32) -> u32 {
        let mut v = a;
        while !self.is_below(b, v) {
            let far = self.jump[v as usize];
            // A jump that already covers both may have gone too far.
            v = if self.is_below(b, far) { self.parent(v) } else { far };
        }
        v
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn meets_where_climbing_step_by_step_meets(seeds in prop::collection::vec(any::<u32>(), 0..60)) {
            let parent: Vec<u32> = std::iter::once(0).chain(seeds.iter().enumerate().map(|(n, s)| s % (n as u32 + 1))).collect();
            let tree = Tree::new(parent.clone());
            let above = |v: u32| {
                let mut list = vec![v];
                while *list.last().unwrap() != 0 {
                    list.push(parent[*list.last().unwrap() as usize]);
                }
                list
            };
            let n = parent.len() as u32;
            for a in 0..n {
                for b in 0..n {
                    let of_a = above(a);
                    let meet = *above(b).iter().find(|v| of_a.contains(v)).unwrap();
                    prop_assert_eq!(tree.meet(a, b), meet);
                    prop_assert_eq!(tree.is_below(a, b), of_a.contains(&b));
                }
            }
        }
    }
}
