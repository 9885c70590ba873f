//! A YAML document as a tree of which every part knows its place. What YAML can do and
//! policy files do not is marked where it stands.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::{Place, text};

/// The deepest nesting.
pub(super) const DEPTH_MAX: usize = 16;
/// How many asterisks that begin no alias are read over so as to find more faults.
const REPAIRS_MAX: usize = 20;

/// One value.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) content: Content,
    /// What of YAML it has that is refused.
    pub(super) refused: Vec<&'static str>,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Content {
    /// A text. A plain one may mean a number, a truth value or nothing.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something that has no value of its own here, such as an alias.
    None,
}

/// One key of a mapping and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) key: String,
    /// What is wrong with the key itself; its value stands for nothing then.
    pub(super) fault: Option<String>,
    pub(super) value: Node,
}

/// A document that was read up to a fault, or to its end.
pub(super) struct Document {
    pub(super) root: Option<Node>,
    /// Why the rest was not read.
    pub(super) stopped: Option<(Place, String)>,
}

/// Reads a document.
pub(super) fn read(source: &str) -> Document {
    if let Some(place) = directive(source) {
        return Document { root: None, stopped: Some((place, text::DIRECTIVE.to_owned())) };
    }
    let mut source = source.to_owned();
    let mut repaired = Vec::new();
    loop {
        let mut builder = Builder { repaired: &repaired, ..Builder::default() };
        let Err(error) = builder.read(&source) else { return builder.finish(None) };
        match asterisk(&source, error.marker()).filter(|_| repaired.len() < REPAIRS_MAX) {
            Some(at) => {
                repaired.push(place(error.marker()));
                source.replace_range(at..=at, "x");
            }
            None => return builder.finish(Some(fault_of(&source, &error))),
        }
    }
}

/// Where a directive stands in front of the document. The parser takes it and says nothing.
fn directive(source: &str) -> Option<Place> {
    let lines = source.split('\n').flat_map(|line| {
        // A carriage return alone ends a line too.
        line.strip_suffix('\r').unwrap_or(line).split('\r')
    });
    let mut lines = lines.map(|line| line.trim_start_matches('\u{FEFF}')).zip(1..);
    let (line, number) = lines.find(|(line, _)| {
        let line = line.trim_start_matches([' ', '\t']);
        !line.is_empty() && !line.starts_with('#')
    })?;
    line.starts_with('%').then_some(Place { line: number, column: 1 })
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

/// Where an asterisk stands that is the beginning of an error.
fn asterisk(source: &str, marker: &Marker) -> Option<usize> {
    source.char_indices().nth(marker.index()).filter(|(_, c)| *c == '*').map(|(at, _)| at)
}

fn fault_of(source: &str, error: &ScanError) -> (Place, String) {
    let place = place(error.marker());
    let mut behind = source.chars().skip(error.marker().index().saturating_sub(1));
    let before = behind.next().filter(|_| error.marker().index() > 0);
    let here = if before.is_some() { behind.next() } else { source.chars().next() };
    let fault = match here {
        Some(':') if before == Some('}') => text::FORM.to_owned(),
        Some('*') => text::ALIAS.to_owned(),
        Some('&') => text::ANCHOR.to_owned(),
        // At the beginning of a line % is a directive of YAML.
        Some(c @ ('@' | '`' | '%')) if c != '%' || place.column > 1 => {
            format!("no text begins with {c} in YAML: write it in quotes")
        }
        _ if error.info().contains("recursion") => deep(),
        _ if error.info().contains("mapping values are not allowed") => text::COLON.to_owned(),
        _ if error.info().contains("tabs disallowed") => text::TAB.to_owned(),
        _ => format!("is no YAML: {}", error.info()),
    };
    (place, fault)
}

fn deep() -> String {
    format!("is nested deeper than {DEPTH_MAX} levels")
}

/// A collection that is still open.
enum Open {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// The keys so far, with their lines.
        seen: HashMap<String, usize>,
        /// The key whose value comes next.
        key: Option<Node>,
    },
}

#[derive(Default)]
struct Builder<'a> {
    repaired: &'a [Place],
    open: Vec<(Place, Vec<&'static str>, Open)>,
    root: Option<Node>,
    documents: usize,
    stopped: Option<(Place, String)>,
}

impl Builder<'_> {
    /// Reads to the end, or to what ends reading.
    fn read(&mut self, source: &str) -> Result<(), ScanError> {
        let mut parser = Parser::new_from_str(source);
        while let (None, Some(next)) = (&self.stopped, parser.next_event()) {
            match next {
                Ok((event, span)) => self.take(event, place(&span.start)),
                // The parser has gone on behind it.
                Err(error) if error.info().contains("unknown anchor") => {
                    self.alias(place(error.marker()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, place: Place) {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.stop(place, "a second document begins; a file has one policy");
                }
            }
            Event::Alias(_) => self.alias(place),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let repaired = self.repaired.contains(&place);
                let mut refused = refused(anchor, tag.is_some());
                refused.extend(repaired.then_some(text::ALIAS));
                let mut text = text.into_owned();
                if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    // The line end that closes a block is none of its text.
                    text.truncate(text.strip_suffix('\n').unwrap_or(&text).len());
                    refused.extend(text.contains('\n').then_some(text::LINES));
                }
                let content = match repaired {
                    true => Content::None,
                    false => Content::Scalar { text, plain },
                };
                self.add(Node { place, content, refused });
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(place, refused(anchor, tag.is_some()), Open::List(Vec::new()));
            }
            Event::MappingStart(anchor, tag) => {
                let map = Open::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                self.begin(place, refused(anchor, tag.is_some()), map);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn stop(&mut self, place: Place, why: impl Into<String>) {
        self.stopped.get_or_insert((place, why.into()));
    }

    fn alias(&mut self, place: Place) {
        self.add(Node { place, content: Content::None, refused: vec![text::ALIAS] });
    }

    fn begin(&mut self, place: Place, refused: Vec<&'static str>, open: Open) {
        if self.open.len() == DEPTH_MAX {
            self.stop(place, deep());
        } else {
            self.open.push((place, refused, open));
        }
    }

    fn end(&mut self) {
        let Some((place, refused, open)) = self.open.pop() else { return };
        let content = match open {
            Open::List(nodes) => Content::List(nodes),
            Open::Map { mut entries, key, .. } => {
                // A key without a value, where reading stopped.
                entries.extend(key.map(|key| {
                    let place = key.place;
                    entry(key, None, Node { place, content: Content::None, refused: Vec::new() })
                }));
                Content::Map(entries)
            }
        };
        self.add(Node { place, content, refused });
    }

    /// Puts a whole value where it belongs.
    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((_, _, Open::List(nodes))) => nodes.push(node),
            Some((_, _, Open::Map { entries, seen, key })) => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    let mut value = node;
                    if value.is_empty() {
                        value.place = key.place;
                    }
                    let before = match &key.content {
                        Content::Scalar { text, .. } => match seen.get(text) {
                            Some(line) => Some(*line),
                            None => {
                                seen.insert(text.clone(), key.place.line);
                                None
                            }
                        },
                        Content::List(_) | Content::Map(_) | Content::None => None,
                    };
                    entries.push(entry(key, before, value));
                }
            },
        }
    }

    /// The document, with what is still open closed.
    fn finish(mut self, stopped: Option<(Place, String)>) -> Document {
        while !self.open.is_empty() {
            self.end();
        }
        Document { root: self.root, stopped: stopped.or(self.stopped) }
    }
}

fn refused(anchor: usize, tag: bool) -> Vec<&'static str> {
    let anchor = (anchor != 0).then_some(text::ANCHOR);
    anchor.into_iter().chain(tag.then_some(text::TAG)).collect()
}

/// The entry of a key that was there `before`, in that line, or was not.
fn entry(key: Node, before: Option<usize>, value: Node) -> Entry {
    let Node { place, content: name, refused } = key;
    let (key, fault) = match name {
        Content::Scalar { text, plain: true } if text == "<<" => {
            (text, Some(text::MERGE.to_owned()))
        }
        Content::Scalar { text, .. } => {
            let again = before.map(|line| format!("is there already, in line {line}"));
            (text, again.or(refused.first().map(|&refused| refused.to_owned())))
        }
        Content::None => (String::new(), Some(text::ALIAS.to_owned())),
        Content::List(_) | Content::Map(_) => (String::new(), Some(text::KEY.to_owned())),
    };
    Entry { place, key, fault, value }
}

impl Node {
    /// Whether nothing is written at all.
    fn is_empty(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if text.is_empty())
    }
}
