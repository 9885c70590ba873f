//! Who reaches whom: the transitive closure of a relation between numbers, and what goes
//! in circles in it.

use crate::domain::scope::{ScopeId, ScopeSet};

/// The strongly connected components of a relation, in an order in which each comes
/// after all that it reaches (Tarjan, 1972; without recursion, for chains may be long).
pub(super) fn components(edges: &[ScopeSet]) -> Vec<Vec<ScopeId>> {
    let mut search = Search {
        marks: vec![Mark::default(); edges.len()],
        open: Vec::new(),
        count: 0,
        found: Vec::new(),
    };
    for root in (0..edges.len()).filter_map(ScopeId::at) {
        search.visit(root, edges);
    }
    search.found
}

/// What each reaches: itself, and all that those reach to which it is related.
pub(super) fn closed(edges: &[ScopeSet]) -> Vec<ScopeSet> {
    let mut reach = vec![ScopeSet::new(); edges.len()];
    for component in components(edges) {
        let mut all: ScopeSet = component.iter().copied().collect();
        for member in &component {
            let Some(direct) = edges.get(member.place()) else { continue };
            for next in direct.iter() {
                // What is in it already came with all that it reaches.
                if all.contains(next) {
                    continue;
                }
                match reach.get(next.place()) {
                    Some(more) if edges.get(next.place()).is_some_and(|on| !on.is_empty()) => {
                        all.extend(more);
                    }
                    _ => all.insert(next),
                }
            }
        }
        for member in component {
            if let Some(slot) = reach.get_mut(member.place()) {
                slot.clone_from(&all);
            }
        }
    }
    reach
}

/// What each reaches: what stands first for it, itself in it, and all that those reach to
/// which it is related. It costs one union for each step, however long the chains are.
pub(super) fn closed_over(edges: &[ScopeSet], first: &[ScopeSet]) -> Vec<ScopeSet> {
    let mut reach = vec![ScopeSet::new(); edges.len()];
    for component in components(edges) {
        let mut all = ScopeSet::new();
        for member in component.iter().map(|member| member.place()) {
            // Of the others of the component there is nothing yet; their turn it is too.
            let next = edges.get(member).into_iter().flat_map(ScopeSet::iter);
            let next = next.filter_map(|next| reach.get(next.place()));
            first.get(member).into_iter().chain(next).for_each(|more| {
                all.extend(more);
            });
        }
        for member in component {
            if let Some(slot) = reach.get_mut(member.place()) {
                slot.clone_from(&all);
            }
        }
    }
    reach
}

/// A way from one back to itself within its component, both ends included; nothing for
/// one that does not go in a circle.
pub(super) fn circle(
    edges: &[ScopeSet],
    component: &[ScopeId],
    from: ScopeId,
) -> Option<Vec<ScopeId>> {
    let within: ScopeSet = component.iter().copied().collect();
    let mut seen = ScopeSet::new();
    // Breadth first, so that the way is a shortest one.
    let mut ways = std::collections::VecDeque::from([vec![from]]);
    while let Some(way) = ways.pop_front() {
        let direct = way.last().and_then(|last| edges.get(last.place()))?;
        for next in direct.intersection(&within).iter() {
            if next == from || !seen.contains(next) {
                seen.insert(next);
                let mut longer = way.clone();
                longer.push(next);
                if next == from {
                    return Some(longer);
                }
                ways.push_back(longer);
            }
        }
    }
    None
}

/// How far the search has come with one.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// In which order it was reached, from 1 on. 0: not yet.
    order: usize,
    /// The least order that is reached from it among those that are open.
    low: usize,
    /// Whether its component is still to be found.
    open: bool,
}

struct Search {
    marks: Vec<Mark>,
    open: Vec<ScopeId>,
    count: usize,
    found: Vec<Vec<ScopeId>>,
}

impl Search {
    fn visit(&mut self, root: ScopeId, edges: &[ScopeSet]) {
        if self.mark(root).order != 0 {
            return;
        }
        let onward = |id: ScopeId| edges.get(id.place()).into_iter().flat_map(ScopeSet::iter);
        self.enter(root);
        let mut path = vec![(root, onward(root))];
        while let Some((here, rest)) = path.last_mut() {
            let here = *here;
            if let Some(next) = rest.next() {
                let mark = self.mark(next);
                if mark.order == 0 {
                    self.enter(next);
                    path.push((next, onward(next)));
                } else if mark.open {
                    self.lower(here, mark.order);
                }
            } else {
                path.pop();
                self.leave(here);
                if let Some((above, _)) = path.last() {
                    self.lower(*above, self.mark(here).low);
                }
            }
        }
    }

    fn mark(&self, id: ScopeId) -> Mark {
        self.marks.get(id.place()).copied().unwrap_or_default()
    }

    fn enter(&mut self, id: ScopeId) {
        self.count += 1;
        if let Some(mark) = self.marks.get_mut(id.place()) {
            *mark = Mark { order: self.count, low: self.count, open: true };
        }
        self.open.push(id);
    }

    fn lower(&mut self, id: ScopeId, low: usize) {
        if let Some(mark) = self.marks.get_mut(id.place()) {
            mark.low = mark.low.min(low);
        }
    }

    /// Ends the component of which this is the first member, if it is one.
    fn leave(&mut self, id: ScopeId) {
        let mark = self.mark(id);
        if mark.low != mark.order {
            return;
        }
        let first = self.open.iter().rposition(|member| *member == id).unwrap_or_default();
        let component = self.open.split_off(first);
        for member in &component {
            if let Some(mark) = self.marks.get_mut(member.place()) {
                mark.open = false;
            }
        }
        self.found.push(component);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn relation(edges: &[Vec<usize>]) -> Vec<ScopeSet> {
        let set = |places: &Vec<usize>| places.iter().copied().filter_map(ScopeId::at).collect();
        edges.iter().map(set).collect()
    }

    /// By walking from each, which is the definition.
    fn walked(edges: &[Vec<usize>], from: usize) -> Vec<usize> {
        let mut reached = vec![false; edges.len()];
        let mut rest = vec![from];
        while let Some(place) = rest.pop() {
            if !std::mem::replace(&mut reached[place], true) {
                rest.extend(&edges[place]);
            }
        }
        (0..edges.len()).filter(|place| reached[*place]).collect()
    }

    fn edges() -> impl Strategy<Value = Vec<Vec<usize>>> {
        (1usize..20).prop_flat_map(|count| {
            prop::collection::vec(prop::collection::vec(0..count, 0..4), count)
        })
    }

    proptest! {
        #[test]
        fn the_closure_is_what_walking_reaches(edges in edges()) {
            let closed = closed(&relation(&edges));
            for (place, reach) in closed.iter().enumerate() {
                let places: Vec<usize> = reach.iter().map(ScopeId::place).collect();
                prop_assert_eq!(places, walked(&edges, place));
            }
        }

        #[test]
        fn what_stands_first_is_reached_from_all_that_walking_reaches(
            (edges, first) in (1usize..20).prop_flat_map(|count| {
                let any = || prop::collection::vec(prop::collection::vec(0..count, 0..3), count);
                (any(), any())
            })
        ) {
            let open = closed(&relation(&first));
            for (place, reach) in closed_over(&relation(&edges), &open).iter().enumerate() {
                let walked: ScopeSet = walked(&edges, place)
                    .into_iter()
                    .flat_map(|member| open[member].iter())
                    .collect();
                prop_assert!(reach.iter().eq(walked.iter()));
            }
        }

        #[test]
        fn a_circle_is_found_where_walking_comes_back(edges in edges()) {
            let related = relation(&edges);
            for component in components(&related) {
                for member in &component {
                    let place = member.place();
                    let comes_back = edges[place].iter().any(|next| walked(&edges, *next).contains(&place));
                    let circle = circle(&related, &component, *member);
                    prop_assert_eq!(circle.is_some(), comes_back);
                    let Some(circle) = circle else { continue };
                    prop_assert_eq!((circle.first(), circle.last()), (Some(member), Some(member)));
                    for step in circle.windows(2) {
                        prop_assert!(related[step[0].place()].contains(step[1]));
                    }
                }
            }
        }
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let edges: Vec<Vec<usize>> = (0..5_000).map(|place| vec![(place + 1).min(4_999)]).collect();
        let closed = closed(&relation(&edges));
        assert_eq!(closed[0].iter().count(), 5_000);
        assert_eq!(closed[4_999].iter().count(), 1);
    }
}
